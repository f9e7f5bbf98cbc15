#include "actors/peer/stage_peer.hpp"

#include <caf/event_based_actor.hpp>
#include <string>
#include <utility>
#include <vector>

#include "actors/averaging/averager.hpp"

namespace swarm::peer {

namespace {

using supervision::child_spec;
using supervision::children_view;

child_spec compute_child(const stage_peer_options& options) {
  child_spec spec;
  spec.id = "compute";
  spec.factory = [options](caf::event_based_actor* self, const children_view&) {
    stage::compute_options compute;
    compute.make_engine = [make = options.make_engine, at = options.stage] { return make(at); };
    compute.slots = options.slots;
    compute.detached = options.detached;
    compute.activation_cache_bytes = options.activation_cache_bytes;
    compute.allow_virtual = options.allow_virtual;
    return caf::actor_cast<caf::actor>(stage::spawn_compute(self->system(), std::move(compute)));
  };
  return spec;
}

child_spec averager_child(const stage_peer_options& options,
                          std::shared_ptr<uint32_t> incarnation) {
  child_spec spec;
  spec.id = "averager";
  spec.factory = [options, incarnation](caf::event_based_actor* self, const children_view&) {
    averaging::averager_options averager;
    averager.id = {options.id, incarnation_id{++*incarnation}};
    averager.stage = options.stage;
    averager.directory = options.directory;
    return caf::actor_cast<caf::actor>(
        averaging::spawn_averager(self->system(), std::move(averager)));
  };
  return spec;
}

child_spec worker_child(const stage_peer_options& options, std::shared_ptr<uint32_t> incarnation) {
  child_spec spec;
  spec.id = "stage_worker";
  spec.factory = [options, incarnation](caf::event_based_actor* self, const children_view& view) {
    stage::stage_worker_options worker;
    worker.id = {options.id, incarnation_id{*incarnation}};
    worker.stage = options.stage;
    const bool first_life = *incarnation == options.first_incarnation.value();
    worker.start = first_life ? options.start : stage::start_mode::fetch;
    worker.compute = view.get<stage::compute_actor>("compute");
    if (options.wrap_compute) worker.compute = options.wrap_compute(self->system(), worker.compute);
    worker.averager = view.get<wire::averager_actor>("averager");
    worker.directory = options.directory;
    worker.telemetry = options.telemetry;
    worker.store = options.store;
    worker.chunk_timeout = options.chunk_timeout;
    worker.fetch_retry = options.fetch_retry;
    worker.chunk_bytes = options.chunk_bytes;
    return caf::actor_cast<caf::actor>(
        stage::spawn_stage_worker(self->system(), std::move(worker)));
  };
  return spec;
}

}  // namespace

caf::actor spawn_stage_peer(caf::actor_system& system, stage_peer_options options) {
  const auto name = "peer-" + std::to_string(options.id.value());
  // One count for averager and worker: an incarnation is one life of the whole stage.
  const auto incarnation = std::make_shared<uint32_t>(options.first_incarnation.value() - 1);
  child_spec stage;
  stage.id = "stage";
  stage.shutdown_timeout = supervision::no_shutdown_limit;
  stage.factory = [options, incarnation, name](caf::event_based_actor* self, const children_view&) {
    supervision::supervisor_options inner;
    inner.name = name + "/stage";
    inner.policy = options.restart;
    inner.policy.strategy = supervision::restart_strategy::one_for_all;
    inner.seed = options.id.value();
    return supervision::spawn_supervisor(
        self->system(), std::move(inner),
        {compute_child(options), averager_child(options, incarnation),
         worker_child(options, incarnation)});
  };
  supervision::supervisor_options root;
  root.name = name;
  root.policy = options.restart;
  root.policy.strategy = supervision::restart_strategy::rest_for_one;
  root.seed = options.id.value();
  std::vector<child_spec> children;
  children.push_back(std::move(stage));
  return supervision::spawn_supervisor(system, std::move(root), std::move(children));
}

}  // namespace swarm::peer
