// OpenDHT's side of //experiments:dht: opendht_peer NODES starts so many nodes on loopback, prints
// "ready" and obeys standard input, a line each. It answers with seconds; an empty line: it failed.
//
//     put NODE NAME BYTES     until the value is announced
//     sign NODE NAME BYTES    the same, with a signature that who stores and reads it checks
//     get NODE NAME           until the first value, and until the search is over

#ifdef SWARM_HAS_OPENDHT

#include <opendht.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "experiments/stopwatch.hpp"
#include "experiments/transport_rivals/rival.hpp"

namespace {

using namespace std::chrono_literals;
using swarm::experiments::give_up;
using swarm::experiments::stopwatch;

/// With its elliptic keys this version finds no signed value.
constexpr unsigned rsa_bits = 2'048;
constexpr auto join_timeout = 60s;
constexpr auto settle_check_every = 3s;
constexpr int settle_checks_max = 20;
constexpr auto call_timeout = 30s;
/// A private network: nothing to do with the public one.
constexpr dht::NetId network = 0x5357;

using nodes = std::vector<std::unique_ptr<dht::DhtRunner>>;

dht::SockAddr loopback(in_port_t port) {
  dht::SockAddr address;
  address.setFamily(AF_INET);
  address.setAddress("127.0.0.1");
  address.setPort(port);
  return address;
}

bool start(nodes& all, size_t count) {
  for (size_t n = 0; n < count; ++n) {
    auto node = std::make_unique<dht::DhtRunner>();
    dht::DhtRunner::Config config;
    config.threaded = true;
    config.dht_config.node_config.network = network;
    // All nodes share one address: no limit by address or in sum may come in the way.
    config.dht_config.node_config.max_req_per_sec = -1;
    config.dht_config.node_config.max_peer_req_per_sec = -1;
    config.dht_config.node_config.is_bootstrap = n == 0;
    config.dht_config.id = dht::crypto::generateIdentity("node" + std::to_string(n), {}, rsa_bits);
    config.bind4 = loopback(0);
    node->run(config, {});
    if (n > 0) {
      auto joined = std::make_shared<std::promise<bool>>();
      node->bootstrap(loopback(all[n / 2]->getBoundPort()),
                      [joined](bool fine) { joined->set_value(fine); });
      auto answer = joined->get_future();
      if (answer.wait_for(join_timeout) != std::future_status::ready || !answer.get()) return false;
    }
    all.push_back(std::move(node));
  }
  return true;
}

size_t contacts(const nodes& all) {
  size_t sum = 0;
  for (const auto& node : all) {
    unsigned good = 0;
    unsigned dubious = 0;
    unsigned cached = 0;
    unsigned incoming = 0;
    sum += node->getNodesStats(AF_INET, &good, &dubious, &cached, &incoming);
  }
  return sum;
}

/// As long as the routing tables grow by more than a twentieth: a search in a half-known network is
/// short.
void settle(const nodes& all) {
  size_t before = 0;
  for (int i = 0; i < settle_checks_max; ++i) {
    std::promise<void>{}.get_future().wait_for(settle_check_every);
    const auto now = contacts(all);
    if (now < before + before / 20 + 1) return;
    before = now;
  }
}

/// Seconds; nothing when it failed.
std::vector<double> put(dht::DhtRunner& node, const std::string& name, size_t bytes,
                        bool with_signature) {
  auto done = std::make_shared<std::promise<bool>>();
  auto answer = done->get_future();
  const dht::DoneCallbackSimple answered{[done](bool fine) { done->set_value(fine); }};
  dht::Value value{std::vector<uint8_t>(bytes, 'v')};
  const auto key = dht::InfoHash::get(name);
  const stopwatch watch;
  if (with_signature) {
    node.putSigned(key, std::move(value), answered);
  } else {
    node.put(key, std::move(value), answered);
  }
  if (answer.wait_for(call_timeout) != std::future_status::ready || !answer.get()) return {};
  return {watch.seconds()};
}

std::vector<double> get(dht::DhtRunner& node, const std::string& name) {
  struct state {
    stopwatch watch;
    double first = 0;
    std::promise<double> done;
  };
  // Both callbacks come from the node's own thread.
  auto call = std::make_shared<state>();
  auto answer = call->done.get_future();
  node.get(dht::InfoHash::get(name),
           dht::GetCallback{[call](const std::vector<std::shared_ptr<dht::Value>>& values) {
             if (!values.empty() && call->first == 0) call->first = call->watch.seconds();
             return true;
           }},
           dht::DoneCallbackSimple{[call](bool) { call->done.set_value(call->watch.seconds()); }});
  if (answer.wait_for(call_timeout) != std::future_status::ready || call->first == 0) return {};
  return {call->first, answer.get()};
}

void obey(nodes& all) {
  std::string text;
  while (std::getline(std::cin, text)) {
    std::istringstream words{text};
    std::string what;
    size_t node = 0;
    std::string name;
    size_t bytes = 0;
    words >> what >> node >> name;
    if (what != "get") words >> bytes;
    if (!words || node >= all.size()) give_up("not a command: " + text);
    const auto seconds =
        what == "get" ? get(*all[node], name) : put(*all[node], name, bytes, what == "sign");
    for (const auto value : seconds)
      std::printf("%.9f ", value);
    std::printf("\n");
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto count = argc == 2 ? static_cast<size_t>(std::atoll(argv[1])) : 0;
  if (count == 0) give_up("opendht_peer NODES");
  nodes all;
  if (!start(all, count)) give_up("OpenDHT's nodes could not join each other");
  settle(all);
  std::puts("ready");
  std::fflush(stdout);
  obey(all);
  // Its orderly shutdown takes seconds per node, and nobody waits for it.
  std::_Exit(0);
}

#else

#include "experiments/transport_rivals/rival.hpp"

int main() {
  return swarm::experiments::exit_not_installed;
}

#endif
