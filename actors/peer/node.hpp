#pragma once

#include <caf/actor_system.hpp>
#include <caf/expected.hpp>
#include <caf/scoped_actor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "actors/peer/network.hpp"
#include "actors/supervision/supervisor.hpp"
#include "actors/telemetry/telemetry.hpp"

namespace swarm::peer {

struct node_options {
  /// Its directory and telemetry are filled in.
  network_options network;
  telemetry::telemetry_options telemetry;
  supervision::policy_options restart;
};

/// What a stage or training peer of this process is given.
struct node_services {
  wire::directory_actor directory;
  caf::actor telemetry;
  network_actor network;
};

/// One process of a swarm: connected to the others, answering for its status, and home to the
/// stage and training peers that are added to it. To be used by one thread, which must not be one
/// of the scheduler's.
///
///     node (rest_for_one): directory, telemetry, network, status, whatever is added ...
///
/// Nobody outlives a service it depends on: when one is restarted, so is everybody to its right.
class node {
 public:
  /// On failure a sentence: the address that could not be bound, and why.
  static std::variant<std::unique_ptr<node>, std::string> start(caf::actor_system& system,
                                                                node_options options);
  /// stop(), if nobody has called it.
  ~node();
  node(const node&) = delete;
  node& operator=(const node&) = delete;

  /// Where it listens; empty: nowhere.
  const std::string& address() const { return address_; }
  node_services services();

  /// Adds a peer behind all others; `make` is called again whenever it restarts.
  using peer_factory = std::function<caf::actor(caf::actor_system&, const node_services&)>;
  caf::expected<caf::actor> add(const std::string& id, peer_factory make);

  /// Everybody that is known now.
  std::vector<wire::member> members();
  std::vector<neighbour_status> neighbours();
  void learn_description(const std::string& hash);

  /// Ends everything in reverse order; true if that took no longer than this, false if it had to be
  /// killed.
  bool stop(std::chrono::milliseconds patience);

 private:
  struct shared;

  node(caf::actor_system& system, std::shared_ptr<shared> state, caf::actor root);

  caf::actor_system& system_;
  caf::scoped_actor self_;
  std::shared_ptr<shared> shared_;
  caf::actor root_;
  std::string address_;
};

}  // namespace swarm::peer
