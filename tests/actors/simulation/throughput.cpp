#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "actors/simulation/virtual_network.hpp"

// Requests between random hosts over a network with latency, jitter, bandwidth and loss. Run it
// under `time`: throughput HOSTS REQUESTS MESSAGES, with so many requests under way at once.

namespace {

using namespace swarm;
using namespace swarm::simulation;
using namespace std::chrono_literals;

using play_atom = caf::atom_constant<caf::atom("play")>;

/// Asks one neighbour after the other for ever, several questions at a time.
caf::behavior player(caf::event_based_actor* self, std::vector<caf::actor>* neighbours) {
  const auto next = std::make_shared<size_t>(0);
  return {[=](play_atom) {
            const auto& to = (*neighbours)[(*next)++ % neighbours->size()];
            self->request(to, 10s, 1)
                .then([=](int) { self->send(self, play_atom::value); },
                      [=](const caf::error&) { self->send(self, play_atom::value); });
          },
          [](int n) { return n; }};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::puts("throughput HOSTS REQUESTS MESSAGES");
    return 2;
  }
  const auto hosts = static_cast<uint32_t>(std::atoi(argv[1]));
  const auto messages = static_cast<uint64_t>(std::atoll(argv[3]));
  const auto requests = static_cast<uint32_t>(std::atoi(argv[2]));
  world w{1};
  virtual_network net{w, 1};
  path_conditions usual;
  usual.latency = 20ms;
  usual.jitter = 5ms;
  usual.loss = 0.001;
  net.model().set_default(usual);
  std::vector<std::vector<caf::actor>> neighbours(hosts);
  std::vector<caf::actor> players;
  for (uint32_t h = 0; h < hosts; ++h) {
    const auto id = w.add_host();
    net.add_host(id, {1ms, 1e8, 1e8});
    players.push_back(w.in_host(id, [&] { return w.system().spawn(player, &neighbours[h]); }));
  }
  for (uint32_t h = 0; h < hosts; ++h)
    for (uint32_t n = 1; n <= 8; ++n) {
      const auto to = (h + n * 7) % hosts;
      if (to != h)
        neighbours[h].push_back(net.connect(host_id{h + 1}, host_id{to + 1}, players[to]));
    }
  for (uint32_t i = 0; i < requests; ++i)
    caf::anon_send(players[i % hosts], play_atom::value);
  run_limit limit;
  limit.messages = messages;
  w.run_while([] { return true; }, limit);
  std::printf("%llu messages, %llu over the network, %lld ms of virtual time, hash %016llx\n",
              static_cast<unsigned long long>(w.delivered()),
              static_cast<unsigned long long>(net.model().messages()),
              static_cast<long long>(w.now() / 1ms), static_cast<unsigned long long>(w.hash()));
}
