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
  /// Of the first life; a peer that comes back after its process died needs a higher one than any
  /// of its lives had.
  incarnation_id first_incarnation{1};
  stage_id stage{0};
  /// Of the first life only; whoever restarts resumes from `store`, or fetches.
  stage::start_mode start = stage::start_mode::fetch;
  std::function<std::unique_ptr<tensors::stage_engine>(stage_id)> make_engine;
  std::shared_ptr<stage::device_slots> slots;
  bool detached = true;
  size_t activation_cache_bytes = size_t{1} << 30;
  bool allow_virtual = false;  ///< tensors that only have a size, for engines that only have a cost
  wire::directory_actor directory;
  caf::actor telemetry;  ///< optional
  supervision::policy_options restart;
  std::shared_ptr<stage::state_store> store;  ///< optional: survives the worker's lives
  std::chrono::milliseconds chunk_timeout{30'000};
  std::chrono::milliseconds fetch_retry{200};
  uint64_t chunk_bytes = stage::state_chunk_bytes_max;
  /// Optional: puts something between the worker and its compute actor, for simulated time and
  /// injected faults.
  std::function<stage::compute_actor(caf::actor_system&, const stage::compute_actor&)> wrap_compute;
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
