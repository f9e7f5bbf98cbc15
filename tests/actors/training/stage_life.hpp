#pragma once

#include <caf/actor_system.hpp>
#include <cstdint>
#include <memory>

#include "actors/averaging/averager.hpp"
#include "actors/stage/stage_worker.hpp"

namespace swarm::testing {

/// One life of a stage worker on a toy engine: dies and restarts as a whole, as under its
/// supervisor. Stays where it is as long as the engine lives.
struct stage_life {
  worker_id id;
  stage_id stage{0};
  stage::compute_actor compute;
  wire::averager_actor averager;
  wire::stage_worker_actor worker;  ///< null: dead
  tensors::stage_engine* engine = nullptr;
  std::shared_ptr<stage::memory_state_store> store;  ///< optional; of all its lives
};

struct stage_life_options {
  int32_t stages = 1;
  int64_t microbatches = 1;
  size_t activation_cache_bytes = size_t{1} << 20;
  uint64_t chunk_bytes = stage::state_chunk_bytes_max;
  wire::directory_actor directory;
  caf::actor telemetry;
};

/// The first incarnation is fresh, the others fetch or resume.
void start(stage_life& life, caf::actor_system& system, stage_id at, worker_id id,
           const stage_life_options& options);

/// Worker, averager and compute actor; does nothing to the dead.
void stop(stage_life& life, caf::exit_reason why);

/// Whether its weights are, bit for bit, those of a run of so many steps without actors.
bool has_weights(const stage_life& life, const stage_life_options& options, int64_t steps);

}  // namespace swarm::testing
