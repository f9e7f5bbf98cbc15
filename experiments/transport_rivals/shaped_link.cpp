#include "experiments/transport_rivals/shaped_link.hpp"

#include <unistd.h>

#include <cstdlib>

namespace swarm::experiments {

namespace {

constexpr const char* first_address = "10.231.77.1";
constexpr const char* second_address = "10.231.77.2";
/// As deep as many a router's: a sixth of a second at 200 Mbit/s.
constexpr const char* queue = "limit 4mb burst 128kb";

bool run(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

}  // namespace

std::unique_ptr<shaped_link> shaped_link::make(int mbit) {
  if (::geteuid() != 0) return nullptr;
  std::unique_ptr<shaped_link> made{new shaped_link{"swarm" + std::to_string(::getpid())}};
  if (!made->build(mbit)) return nullptr;
  return made;
}

bool shaped_link::build(int mbit) {
  const auto a = name_ + "a";
  const auto b = name_ + "b";
  const auto shape = [&](const std::string& in) {
    return "ip netns exec " + in + " tc qdisc add dev v" + in + " root tbf rate " +
           std::to_string(mbit) + "mbit " + queue;
  };
  const auto address = [&](const std::string& in, const char* which) {
    return "ip -n " + in + " addr add " + which + "/24 dev v" + in;
  };
  const auto up = [](const std::string& in) {
    return run("ip -n " + in + " link set v" + in + " up") &&
           run("ip -n " + in + " link set lo up");
  };
  return run("ip netns add " + a) && run("ip netns add " + b) &&
         run("ip link add v" + a + " netns " + a + " type veth peer name v" + b + " netns " + b) &&
         run(address(a, first_address)) && run(address(b, second_address)) && up(a) && up(b) &&
         run(shape(a)) && run(shape(b));
}

shaped_link::~shaped_link() {
  run("ip netns del " + name_ + "a");
  run("ip netns del " + name_ + "b");
}

std::string shaped_link::address() const {
  return first_address;
}

std::vector<std::string> shaped_link::enter_first() const {
  return {"ip", "netns", "exec", name_ + "a"};
}

std::vector<std::string> shaped_link::enter_second() const {
  return {"ip", "netns", "exec", name_ + "b"};
}

}  // namespace swarm::experiments
