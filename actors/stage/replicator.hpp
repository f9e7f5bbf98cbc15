#pragma once

#include <caf/actor_system.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "actors/ids.hpp"
#include "actors/stage/line_use.hpp"
#include "actors/stage/snapshot_store.hpp"
#include "actors/stage/state_store.hpp"
#include "actors/stage/state_transfer.hpp"
#include "actors/wire/roster.hpp"

namespace swarm::stage {

struct replicator_options {
  peer_id id;
  int32_t stages = 1;
  /// The stage that its peer serves now, and what that stage's worker keeps, if it keeps anything.
  std::function<stage_id()> serves;
  std::function<std::shared_ptr<state_store>()> store;
  /// Lets the peer serve this stage from now on.
  std::function<void(stage_id)> move;
  std::shared_ptr<snapshot_store> snapshots;
  std::shared_ptr<line_use> line = std::make_shared<line_use>();  ///< its process'
  wire::directory_actor directory;
  caf::actor telemetry;  ///< optional
  /// How often it looks for a newer copy of the stage that it backs up; 0: it is none.
  std::chrono::milliseconds backup_period{500};
  std::chrono::milliseconds chunk_timeout{30'000};
  uint64_t chunk_bytes = state_chunk_bytes_max;
  uint64_t download_window_bytes = download_window_bytes_max;
};

/// Looks after a stage peer from outside its worker's lives (schemas/rebalancing.capnp): backup
/// of another stage's state, which it fetches from the replicators there; hands over what its
/// process keeps; carries out orders to serve another stage.
///
/// Owner: the peer's supervisor, which starts it before the stage. May drop: nothing. What it keeps
/// is in the snapshots and outlives it.
wire::replicator_actor spawn_replicator(caf::actor_system& system, replicator_options options);

}  // namespace swarm::stage
