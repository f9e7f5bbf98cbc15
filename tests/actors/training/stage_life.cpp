#include "tests/actors/training/stage_life.hpp"

#include <caf/send.hpp>
#include <cstring>

#include "tests/actors/toy_engine.hpp"

namespace swarm::testing {

void start(stage_life& life, caf::actor_system& system, stage_id at, worker_id id,
           const stage_life_options& options) {
  life.id = id;
  life.stage = at;
  stage::compute_options compute;
  compute.detached = false;
  compute.activation_cache_bytes = options.activation_cache_bytes;
  compute.make_engine = [&life, id, at, stages = options.stages, m = options.microbatches] {
    auto engine = make_toy_engine(at.value() == 0, at.value() == stages - 1, m);
    // A life that is killed before it began may begin after its successor.
    if (life.id == id) life.engine = engine.get();
    return engine;
  };
  life.compute = stage::spawn_compute(system, compute);
  averaging::averager_options averager;
  averager.id = id;
  averager.stage = at;
  averager.directory = options.directory;
  life.averager = averaging::spawn_averager(system, averager);
  stage::stage_worker_options worker;
  worker.id = id;
  worker.stage = at;
  worker.start = id.incarnation.value() == 1 ? stage::start_mode::fresh : stage::start_mode::fetch;
  worker.compute = life.compute;
  worker.averager = life.averager;
  worker.directory = options.directory;
  worker.telemetry = options.telemetry;
  worker.store = life.store;
  worker.chunk_bytes = options.chunk_bytes;
  life.worker = stage::spawn_stage_worker(system, worker);
}

void stop(stage_life& life, caf::exit_reason why) {
  if (!life.worker) return;
  caf::anon_send_exit(life.worker, why);
  caf::anon_send_exit(life.averager, why);
  caf::anon_send_exit(life.compute, why);
  life.worker = wire::stage_worker_actor{};
  life.averager = wire::averager_actor{};
  life.compute = stage::compute_actor{};
}

bool has_weights(const stage_life& life, const stage_life_options& options, int64_t steps) {
  const auto expected = toy_reference(options.stages, options.microbatches, steps);
  const auto state = life.engine->export_state();
  const auto& right = expected[static_cast<size_t>(life.stage.value())];
  return std::memcmp(state.data(), right.data(), right.bytes()) == 0;
}

}  // namespace swarm::testing
