#pragma once

#include <caf/event_based_actor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/dht/dht_node.hpp"
#include "actors/simulation/virtual_network.hpp"
#include "actors/simulation/world.hpp"

namespace swarm::experiments {

/// What a node answered, once it has.
template <class T>
struct pending {
  std::optional<T> value;
  caf::error error;
  simulation::moment asked{0};
  simulation::moment answered{0};

  bool done() const { return value || error; }
};
template <class T>
using pending_ptr = std::shared_ptr<pending<T>>;

struct dht_simulation_options {
  uint64_t seed = 1;
  simulation::path_conditions path;  ///< between any two hosts
  /// Changes what a node is made with.
  std::function<void(size_t node, dht::node_options&)> tune;
  /// A dial to a dead host fails after so long, as a TCP connect that nobody answers.
  std::chrono::milliseconds dial_failure{3'000};
};

/// Any number of production DHT nodes in virtual time, each on a host of its own.
class dht_simulation {
 public:
  explicit dht_simulation(dht_simulation_options options);
  ~dht_simulation();
  dht_simulation(const dht_simulation&) = delete;
  dht_simulation& operator=(const dht_simulation&) = delete;

  simulation::world& world() { return world_; }
  simulation::virtual_network& network() { return network_; }
  int64_t unix_ms();

  /// A new host with a node that knows the addresses of these; returns its number, from 0.
  size_t add_node(const std::vector<size_t>& bootstrap, bool dials_only = false);
  /// A new host with something else that answers at its address.
  size_t add_impostor(const std::function<caf::actor(caf::actor_system&)>& spawn);
  /// Nodes that join one after the other, each through one of those before it, a step apart.
  void grow(size_t count, std::chrono::milliseconds step);

  static std::string address_of(size_t node) { return "node" + std::to_string(node); }
  static dht::signing_key key_of(size_t node);

  /// SIGKILL and gone from the network: nobody hears of it but by time-outs.
  void kill(size_t node);
  /// A new life on the same host, with the same key and address.
  void restart(size_t node, const std::vector<size_t>& bootstrap);
  bool alive(size_t node) const { return static_cast<bool>(hosts_[node].node); }
  const dht::dht_actor& node(size_t number) const { return hosts_[number].node; }
  size_t hosts() const { return hosts_.size(); }

  pending_ptr<uint32_t> put(size_t node, dht::put_order order);
  pending_ptr<dht::found_records> get(size_t node, dht::get_order order);
  pending_ptr<uint32_t> join(size_t node, const std::vector<std::string>& addresses);
  dht::node_status status(size_t node);
  /// A message of the protocol, from the observer.
  template <class Answer, class Message>
  pending_ptr<Answer> ask(size_t node, const Message& message) {
    return request<Answer>(node, message);
  }

  /// Until it is answered; false: it was not within a virtual minute.
  template <class T>
  bool wait(const pending_ptr<T>& what) {
    simulation::run_limit limit;
    limit.time = world_.now() + std::chrono::minutes{1};
    return world_.run_while([&] { return !what->done(); }, limit) && what->value.has_value();
  }

 private:
  struct machine {
    simulation::host_id where;
    caf::actor target;  ///< what answers at the address
    dht::dht_actor node;
    bool dials_only = false;
  };

  template <class Answer, class... Message>
  pending_ptr<Answer> request(size_t node, const Message&... message) {
    auto result = std::make_shared<pending<Answer>>();
    result->asked = world_.now();
    world_.system().spawn([=, target = hosts_[node].node](caf::event_based_actor* self) {
      self->request(target, std::chrono::minutes{1}, message...)
          .then(
              [=](const Answer& answer) {
                result->value = answer;
                result->answered = world_.now();
              },
              [=](const caf::error& why) {
                result->error = why;
                result->answered = world_.now();
              });
    });
    return result;
  }

  void start(size_t node, const std::vector<size_t>& bootstrap);
  dht::dialer_actor spawn_dialer(size_t node);

  dht_simulation_options options_;
  simulation::world world_;
  simulation::virtual_network network_;
  std::vector<machine> hosts_;
  std::map<std::string, size_t> by_address_;
  splitmix64 random_;
};

}  // namespace swarm::experiments
