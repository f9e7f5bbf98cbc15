#pragma once

#include <caf/actor_system.hpp>
#include <functional>

#include "actors/stage/call_history.hpp"
#include "actors/stage/compute.hpp"

namespace swarm::stage {

struct compute_watch_options {
  compute_options compute;
  /// Optional: puts something between the watch and the compute actor.
  std::function<compute_actor(caf::actor_system&, const compute_actor&)> wrap;
  call_history::options limits;
  caf::actor telemetry;  ///< optional; hears compute_given_up
  worker_id id;          ///< for the event: the peer
  stage_id stage;
};

/// A compute actor, watched: passes every call on and its answer back, and ends when the device
/// fails again and again or does not answer (call_history). Its supervisor then restarts it
/// together with all who depend on it, with a new engine.
///
/// Owner: the stage supervisor; the compute actor is the watch's own. When told to stop it ends
/// once the compute actor has, so that two engines never share the memory, unless that one hangs:
/// nothing can stop a thread, so it is left behind, its claim to a device slot forfeited, and goes
/// when it returns, if ever. What is out when the watch ends is not answered.
compute_actor spawn_watched_compute(caf::actor_system& system, compute_watch_options options);

}  // namespace swarm::stage
