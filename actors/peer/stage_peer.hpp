#pragma once

#include <caf/actor_system.hpp>
#include <cstdint>
#include <functional>
#include <memory>

#include "actors/ids.hpp"
#include "actors/stage/stage_worker.hpp"
#include "actors/supervision/supervisor.hpp"

namespace swarm::peer {

struct stage_peer_options {
  peer_id id;
  stage_id stage{0};
  /// Of the first life only; whoever restarts fetches.
  stage::start_mode start = stage::start_mode::fetch;
  std::function<std::unique_ptr<tensors::stage_engine>(stage_id)> make_engine;
  std::shared_ptr<stage::device_slots> slots;
  bool detached = true;
  size_t activation_cache_bytes = size_t{1} << 30;
  wire::directory_actor directory;
  caf::actor telemetry;  ///< optional
  supervision::policy_options restart;
  std::chrono::milliseconds request_timeout{30'000};
};

/// A stage peer is one supervision tree; stopping the returned root stops all of it.
///
///     peer (rest_for_one)
///       +-- stage (one_for_all): compute, averager, stage_worker
///
/// The three live and die together, since an averager's or a worker's memory of a step is worth
/// nothing without the sums in the compute actor. Each life of the worker is an incarnation.
caf::actor spawn_stage_peer(caf::actor_system& system, stage_peer_options options);

}  // namespace swarm::peer
