#pragma once

#include <caf/actor_system.hpp>
#include <caf/typed_actor.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "actors/dht/dht_node.hpp"
#include "actors/peer/admission.hpp"
#include "actors/peer/network.hpp"

namespace swarm::peer {

/// Descriptions that one question brings at most; anybody may publish under the key.
inline constexpr size_t descriptions_max = 16;

using publish_atom = caf::atom_constant<caf::atom("publish")>;
using describe_atom = caf::atom_constant<caf::atom("describe")>;

/// publish: say now what is otherwise said by and by. tell is its own.
/// describe: what was published as the run's description, to be checked by whoever asks.
using announcer_actor =
    caf::typed_actor<caf::reacts_to<publish_atom>, caf::reacts_to<tell_atom>,
                     caf::replies_to<describe_atom>::with<std::vector<std::string>>>;

struct announcer_options {
  dht::dht_actor dht;
  network_actor network;
  key_bytes run_key{};
  std::string address;  ///< where others reach this process; empty: it is not announced
  /// The run's signed description; empty while it is not known here.
  std::function<std::string()> description;
  std::function<peer_id(const key_bytes&)> id_of;
  std::chrono::milliseconds period{20'000};
  /// Of what is published; several periods.
  std::chrono::milliseconds lifetime{90'000};
};

/// Keeps two things true in the DHT, under keys that follow from the run's: the run's description,
/// and where this process is found. What it finds of others it tells the network actor, so that
/// those who lost each other meet again. Owner: the peer root. It may drop: nothing.
announcer_actor spawn_announcer(caf::actor_system& system, announcer_options options);

/// Reaches the DHT nodes of other processes through the network actor.
dht::dialer_actor spawn_dht_dialer(caf::actor_system& system, const network_actor& network);

}  // namespace swarm::peer
