#pragma once

#include <array>
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
  /// The secret behind network.self.key; what it publishes is signed with it.
  std::array<uint8_t, 32> key_seed{};
  /// Unix milliseconds: expiry of records, and what status says.
  std::function<int64_t()> clock;
  std::string description;  ///< the run's, signed; empty: not known yet
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
///     node (rest_for_one): directory, telemetry, network, dht_dialer, dht_node, announcer, status,
///                          whatever is added ...
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
  /// The status of a peer that is connected.
  caf::expected<wire::status> ask_status(peer_id whose, uint32_t events);

  /// Lets a peer that is connected try whether it reaches an address of this process.
  caf::expected<peer_id> probe_from(peer_id whose, const std::string& address);

  /// What was published as the run's description: to be checked.
  std::vector<std::string> descriptions();
  /// It is known now: others may have it, and peers of another one are refused from here on.
  void learn_description(const std::string& hash, const std::string& signed_bytes);

  /// Ends everything in reverse order; true if that took no longer than this, false if it had to be
  /// killed.
  bool stop(std::chrono::milliseconds patience);

 private:
  struct shared;

  caf::actor child(const std::string& id);

  node(caf::actor_system& system, std::shared_ptr<shared> state, caf::actor root);

  caf::actor_system& system_;
  caf::scoped_actor self_;
  std::shared_ptr<shared> shared_;
  caf::actor root_;
  std::string address_;
};

}  // namespace swarm::peer
