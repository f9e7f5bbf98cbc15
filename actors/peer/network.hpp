#pragma once

#include <caf/actor_system.hpp>
#include <caf/typed_actor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "actors/peer/admission.hpp"
#include "actors/peer/gateway.hpp"
#include "actors/peer/neighbourhood.hpp"
#include "actors/transport/endpoint.hpp"
#include "actors/wire/roster.hpp"

namespace swarm::peer {

/// Who wait for a connection at the same time; further ones are refused.
inline constexpr size_t connect_requests_max = 4'096;

/// Probes under way at the same time; further ones are refused.
inline constexpr size_t probes_max = 8;

/// What the endpoint's thread tells the network actor. Never leaves the process.
struct link_news;

using connect_atom = caf::atom_constant<caf::atom("connect")>;
using probe_atom = caf::atom_constant<caf::atom("probe")>;
using meet_atom = caf::atom_constant<caf::atom("meet")>;
using neighbours_atom = caf::atom_constant<caf::atom("neighbours")>;
using check_atom = caf::atom_constant<caf::atom("check")>;
using tell_atom = caf::atom_constant<caf::atom("tell")>;

/// A peer that is connected now.
struct neighbour_status {
  peer_id peer;
  std::string announce;
  uint64_t round_trip_us = 0;
  /// Its clock minus ours when it greeted, as far as it is known.
  int64_t clock_ahead_ms = 0;

  template <class Inspector>
  friend typename Inspector::result_type inspect(Inspector& f, neighbour_status& x) {
    return f(x.peer, x.announce, x.round_trip_us, x.clock_ahead_ms);
  }
};

/// connect: the far side's actor behind this slot, at an address, which is dialled if need be, or
/// of a peer that is connected.
/// probe: whether a peer of the run answers at this address, by a connection of its own.
/// meet: a peer is said to be at this address.
/// neighbours: who is connected now. The other messages are its own.
using network_actor =
    caf::typed_actor<caf::replies_to<connect_atom, std::string, uint64_t>::with<caf::actor>,
                     caf::replies_to<connect_atom, peer_id, uint64_t>::with<caf::actor>,
                     caf::replies_to<probe_atom, std::string>::with<peer_id>,
                     caf::reacts_to<meet_atom, peer_id, std::string>,
                     caf::replies_to<neighbours_atom>::with<std::vector<neighbour_status>>,
                     caf::reacts_to<wire::roster_update>, caf::reacts_to<link_news>,
                     caf::reacts_to<check_atom>, caf::reacts_to<tell_atom>>;

struct network_options {
  /// Its greeting is filled in.
  transport::endpoint_options endpoint;
  self_description self;
  std::string description_hash;  ///< empty: not known yet
  bool same_kernels = false;     ///< of a reproducible run: others are refused
  /// self, announce and seed are filled in.
  neighbourhood_options neighbours;
  wire::directory_actor directory;
  caf::actor telemetry;  ///< optional
  /// Called by the actor when the addresses worth keeping have changed; optional.
  std::function<void(const std::vector<std::string>&)> remember;
  std::function<int64_t()> clock;  ///< Unix milliseconds; absent: clocks are not compared
  /// How often it looks whom to dial.
  std::chrono::milliseconds check_interval{100};
  /// A process that is told for so long that a later one has its token has to end (rival.hpp): more
  /// than the others' silence_timeout.
  std::chrono::milliseconds rival_patience{4'000};
};

/// The connections of one process, and what others need of it besides.
struct network {
  network_actor actor;
  std::string address;  ///< where it listens, with the real port; empty: nowhere
  std::shared_ptr<gateway> handles;
  std::shared_ptr<admission> door;
  /// Counts of the endpoint; zeros after the network actor has ended.
  std::function<transport::counters()> counted;
};

/// Keeps this process connected to every other of its run, and its directory true: what others tell
/// of their members is announced here, with handles that lead over the link, and withdrawn when the
/// link breaks. Stops serving when the actor ends. Owner: the peer root, right after the directory.
/// It may drop: rosters beyond the limits.
///
/// What it tells as telemetry: peer_up, peer_down, dial_failed (final=1: dialling again changes
/// nothing), clock_differs, bad_roster, and token_in_use, once, when another process has this one's
/// token and began later: it has closed its links then, dials nobody any more, and is to be ended.
///
/// On failure a sentence: the address that could not be bound, and why.
std::variant<network, std::string> open_network(caf::actor_system& system, network_options options);

}  // namespace swarm::peer

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(swarm::peer::link_news)
