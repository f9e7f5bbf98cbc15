#pragma once

#include <caf/actor_system.hpp>
#include <caf/typed_actor.hpp>
#include <chrono>
#include <memory>

#include "actors/ids.hpp"
#include "actors/stage/compute.hpp"
#include "actors/stage/line_use.hpp"
#include "actors/stage/snapshot_store.hpp"
#include "actors/stage/state_store.hpp"
#include "actors/stage/state_transfer.hpp"
#include "actors/wire/roster.hpp"

namespace swarm::stage {

/// Requests at the compute actor, or waiting for a commit that is on its way.
inline constexpr size_t pending_requests_max = 256;
/// Copies of one commit that wait for its answer; further ones are refused.
inline constexpr size_t commit_repeats_max = 16;

enum class start_mode : uint8_t {
  fresh,  ///< version 0, weights from the run's seed
  fetch   ///< what the last life left, else state from another worker; waits for one
};

struct stage_worker_options {
  worker_id id;
  stage_id stage{0};
  start_mode start = start_mode::fetch;
  compute_actor compute;
  wire::averager_actor averager;
  wire::directory_actor directory;
  caf::actor telemetry;  ///< optional
  /// What survives this life; optional. Costs a copy of the state per commit.
  std::shared_ptr<state_store> store;
  /// Where copies of the state are left for others when a commit says so; optional.
  std::shared_ptr<snapshot_store> snapshots;
  std::shared_ptr<line_use> line = std::make_shared<line_use>();  ///< its process'
  caf::actor replicator;  ///< optional: announced with the worker (actors/rebalancing)
  /// How often its rate and queue are announced; 0: only when something else changes.
  std::chrono::milliseconds announce_period{0};
  /// A donor that does not send the next chunk within this is left for another.
  std::chrono::milliseconds chunk_timeout{30'000};
  /// A joiner without a donor, or whose donor failed, tries again after this; doubles.
  std::chrono::milliseconds fetch_retry{200};
  uint64_t chunk_bytes = state_chunk_bytes_max;
  uint64_t download_window_bytes = download_window_bytes_max;
};

/// One worker of one stage: the protocol of pipeline.capnp, step.capnp and state.capnp around a
/// step_guard; the numbers are the compute actor's.
///
/// Life: joining (fetches its state, follows) -> announces itself -> serving; back to joining when
/// it finds that it missed a commit. Owner: the stage supervisor (one_for_all with compute and
/// averager); a restarted worker has the next incarnation and fetches. May drop: nothing; it
/// refuses instead.
wire::stage_worker_actor spawn_stage_worker(caf::actor_system& system,
                                            stage_worker_options options);

}  // namespace swarm::stage
