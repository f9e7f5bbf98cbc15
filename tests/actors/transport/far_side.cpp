// A process with an endpoint: prints its address, answers every message with one like it, until it
// is killed.

#include <unistd.h>

#include <cstdio>

#include "tests/actors/transport/endpoint_rig.hpp"

int main() {
  using namespace swarm::transport;
  using namespace swarm::transport::test;
  auto options = listening();
  options.heartbeat_interval = std::chrono::milliseconds{50};
  options.silence_timeout = std::chrono::milliseconds{400};
  witness user;
  auto opened = endpoint::open(options, user);
  auto* end = std::get_if<std::unique_ptr<endpoint>>(&opened);
  if (end == nullptr) return 1;
  user.look([&](witness& w) {
    w.answer = [&](link_id from, const heading& head) {
      (*end)->send(from, head_with(head.request, 0));
    };
  });
  std::printf("%s\n", (*end)->address().c_str());
  std::fflush(stdout);
  for (;;)
    ::pause();
}
