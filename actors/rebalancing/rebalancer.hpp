#pragma once

#include <caf/actor_system.hpp>
#include <caf/typed_actor.hpp>
#include <chrono>
#include <cstdint>
#include <vector>

#include "actors/rebalancing/policy.hpp"
#include "actors/rebalancing/swarm_view.hpp"
#include "actors/wire/roster.hpp"

namespace swarm::rebalancing {

using look_atom = caf::atom_constant<caf::atom("look")>;

using rebalancer_actor =
    caf::typed_actor<caf::reacts_to<wire::roster_update>, caf::reacts_to<look_atom>>;

struct rebalancer_options {
  peer_id id;
  policy_kind policy = policy_kind::throughput;
  policy_options settings;
  uint64_t seed = 0;
  /// By stage: its relative work and what a newcomer fetches.
  std::vector<stage_record> stages;
  wire::directory_actor directory;
  caf::actor telemetry;  ///< optional
  /// How often the policy is asked; it paces itself.
  std::chrono::milliseconds look_period{1'000};
};

/// One peer's wish to be of more use: asks its policy, then the coordinator that leads
/// (schemas/rebalancing.capnp, MoveRequest), then lets its own replicator carry the move out.
///
/// Owner: the peer's supervisor. It may drop: everything; whoever does not move stays.
rebalancer_actor spawn_rebalancer(caf::actor_system& system, rebalancer_options options);

/// What a roster says of the workers, for a policy or a newcomer. `now` and `told` in seconds of
/// one clock: when each was last heard of.
struct heard_member {
  wire::member what;
  seconds told{0};
};
swarm_view view_of(const std::vector<stage_record>& stages,
                   const std::vector<heard_member>& members, seconds now);

}  // namespace swarm::rebalancing
