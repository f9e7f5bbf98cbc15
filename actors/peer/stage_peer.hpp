#pragma once

#include <caf/actor_system.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "actors/averaging/question_book.hpp"
#include "actors/ids.hpp"
#include "actors/rebalancing/policy.hpp"
#include "actors/stage/call_history.hpp"
#include "actors/stage/stage_worker.hpp"
#include "actors/supervision/supervisor.hpp"

namespace swarm::peer {

struct stage_peer_options {
  peer_id id;
  /// Of the first life; a peer that comes back after its process died needs a higher one than any
  /// of its lives had.
  incarnation_id first_incarnation{1};
  stage_id stage{0};  ///< where it begins; it may move
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
  /// Optional: where the worker of a stage leaves what survives its lives.
  std::function<std::shared_ptr<stage::state_store>(stage_id)> make_store;
  /// How often a backup looks for a newer copy; 0: it is none.
  std::chrono::milliseconds backup_period{500};
  /// Where they are; null: made anew.
  std::shared_ptr<stage::snapshot_store> snapshots;
  /// How often a worker tells its rate and queue; 0: only when something else changes.
  std::chrono::milliseconds announce_period{0};
  /// By stage: its relative work and bytes of state. Whoever may move needs them; as many as the
  /// run has stages.
  std::vector<rebalancing::stage_record> stages;
  rebalancing::policy_kind policy = rebalancing::policy_kind::none;
  rebalancing::policy_options policy_settings;
  std::chrono::milliseconds chunk_timeout{30'000};
  std::chrono::milliseconds fetch_retry{200};
  uint64_t chunk_bytes = stage::state_chunk_bytes_max;
  uint64_t download_window_bytes = stage::download_window_bytes_max;
  /// Of the all-reduce; part_elements as in averager_options.
  averaging::asking_limits averaging;
  size_t part_elements = 0;
  /// Optional: puts something between the compute actor and its watch, for simulated time and
  /// injected faults.
  std::function<stage::compute_actor(caf::actor_system&, const stage::compute_actor&)> wrap_compute;
  /// When its device is given up, and the stage started again with a new engine.
  stage::call_history::options compute_limits;
};

/// A stage peer is one supervision tree; stopping the returned root stops all of it.
///
///     peer (rest_for_one)
///       +-- replicator
///       +-- stage (one_for_all): compute (watched), averager, stage_worker
///       +-- rebalancer, if it has a policy
///
/// The three live and die together, since an averager's or a worker's memory of a step is worth
/// nothing without the sums in the compute actor. Each life of the worker is an incarnation. To
/// serve another stage, the replicator lets the stage restart there. Without `stages` there is no
/// replicator, and nobody moves.
caf::actor spawn_stage_peer(caf::actor_system& system, stage_peer_options options);

}  // namespace swarm::peer
