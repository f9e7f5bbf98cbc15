#include "actors/simulation/fleet.hpp"

#include <algorithm>
#include <utility>

#include "actors/faults/compute_faults.hpp"
#include "actors/peer/stage_peer.hpp"
#include "actors/peer/training_peer.hpp"

namespace swarm::simulation {

namespace {

using namespace std::chrono_literals;

/// Shorter than in production, where computing takes longer than a few milliseconds.
constexpr run_times short_times{2'000ms, 4'000ms, 4'000ms, 8'000ms, 1'500ms,
                                2'000ms, 500ms,   2'000ms, 2'000ms};
/// The defaults of tools/swarm and of the actors.
constexpr run_times production_times{10'000ms, 10'000ms, 60'000ms, 120'000ms, 1'000ms,
                                     5'000ms,  500ms,    10'000ms, 5'000ms};
/// Incarnations of one process; a restart of the process goes on above them.
constexpr uint32_t lives_per_process = 16;

supervision::policy_options restart_policy() {
  supervision::policy_options result;
  result.intensity = 100;
  result.period = 10s;
  result.backoff.min = 50ms;
  return result;
}

incarnation_id first_incarnation(const host& where) {
  return incarnation_id{1 + (where.lives() - 1) * lives_per_process};
}

knob fixed(const knob& from, splitmix64& random) {
  const double value = from.draw(random);
  return {value, value};
}

void draw_size(fleet_plan& plan, const scenario::size_knobs& from, splitmix64& random) {
  modelled_options shape;
  const double parameters = from.parameters.draw(random);
  shape.gradient_bytes = static_cast<uint64_t>(parameters * from.gradient_bytes.draw(random));
  shape.state_bytes = static_cast<uint64_t>(parameters * from.state_bytes.draw(random));
  shape.gradient_elements = static_cast<size_t>(from.elements.draw_whole(random));
  shape.weight_words = static_cast<size_t>(from.words.draw_whole(random));
  shape.rows = from.rows.draw_whole(random);
  shape.context = from.context.draw_whole(random);
  shape.width = from.width.draw_whole(random);
  shape.saved_bytes = static_cast<size_t>(from.graph_bytes.draw_whole(random));
  shape.parameters = static_cast<int64_t>(parameters);
  plan.shape = shape;
  plan.gradient_scale = shape.gradient_scale();
  plan.state_scale = shape.state_scale();
}

moment forward_time(const modelled_options& shape, double tera_flop_per_s) {
  constexpr double operations_per_parameter = 2;
  const double operations = operations_per_parameter * static_cast<double>(shape.parameters) *
                            static_cast<double>(shape.rows * shape.context);
  return moment{static_cast<int64_t>(operations / (tera_flop_per_s * 1e12) * 1e9)};
}

void draw_hosts(fleet_plan& plan, const scenario& what, splitmix64& random) {
  const auto add = [&](int32_t stage, const scenario::host_knobs& knobs) {
    host_shape shape;
    shape.stage = stage;
    shape.line = draw_host(knobs, plan.line, random);
    shape.forward = plan.forward;
    if (plan.shape && knobs.tera_flop_per_s.low > 0)
      shape.forward = forward_time(*plan.shape, knobs.tera_flop_per_s.draw_rate(random));
    shape.apply = shape.forward / 10;
    plan.hosts.push_back(shape);
  };
  for (int32_t stage = 0; stage < plan.stages; ++stage)
    for (int32_t i = 0; i < plan.workers_per_stage; ++i)
      add(stage, what.workers);
  for (int32_t i = 0; i < plan.trainers; ++i)
    add(-1, what.training);
}

/// What only swarms of real size ask for; draws nothing where none of it is given.
void draw_mission(fleet_plan& plan, const scenario& what, splitmix64& random) {
  plan.times = what.production_times.high > 0 ? production_times : short_times;
  // A fixed knob takes no number from the run's.
  const auto period = [&](const knob& of) {
    const double s = of.low < of.high ? of.draw(random) : of.low;
    return std::chrono::milliseconds{static_cast<int64_t>(s * 1000)};
  };
  plan.times.announce_period = period(what.announce_s);
  plan.times.backup_period = period(what.backup_s);
  if (what.silence_ms.high > 0) {
    plan.contacts.silence = moment{static_cast<int64_t>(what.silence_ms.draw(random) * 1e6)};
    plan.contacts.silent_deaths = what.silent_deaths.draw(random);
  }
  if (what.mean_life_s.high > 0) plan.mean_life_s = what.mean_life_s.draw(random);
  if (what.has_size()) draw_size(plan, what.size, random);
  if (what.workers.given || what.training.given) draw_hosts(plan, what, random);
}

}  // namespace

fleet_plan draw_fleet(const scenario& what, splitmix64& random) {
  fleet_plan plan;
  plan.stages = static_cast<int32_t>(what.stages.draw_whole(random));
  plan.workers_per_stage = static_cast<int32_t>(what.workers_per_stage.draw_whole(random));
  plan.trainers = static_cast<int32_t>(what.trainers.draw_whole(random));
  plan.microbatches = what.microbatches.draw_whole(random);
  plan.in_flight = static_cast<uint32_t>(what.in_flight.draw_whole(random));
  plan.keep_state = what.keep_state.draw(random);
  if (what.keep_every.high > 0) plan.keep_every = what.keep_every.draw_whole(random);
  if (what.rebalance_s.high > 0) plan.rebalance_s = what.rebalance_s.draw(random);
  plan.chunk_bytes = static_cast<uint64_t>(what.chunk_bytes.draw_whole(random));
  plan.forward = moment{static_cast<int64_t>(what.compute.forward_ms.draw(random) * 1e6)};
  const auto& from = what.compute;
  plan.compute.non_finite = fixed(from.non_finite, random);
  plan.compute.wrong_shape = fixed(from.wrong_shape, random);
  plan.compute.out_of_memory = fixed(from.out_of_memory, random);
  plan.compute.stall = fixed(from.stall, random);
  plan.compute.cache_bytes = fixed(from.cache_bytes, random);
  plan.compute.saved_bytes = fixed(from.saved_bytes, random);
  plan.path = draw_path(what.network, random);
  plan.line = draw_host(what.network, random);
  draw_mission(plan, what, random);
  return plan;
}

void give_hosts(fleet_plan& plan, const std::vector<host_shape>& hosts) {
  if (hosts.empty()) return;
  plan.hosts = hosts;
  plan.stages = 0;
  plan.trainers = 0;
  for (const auto& each : hosts) {
    plan.stages = std::max(plan.stages, each.stage + 1);
    if (each.stage < 0) ++plan.trainers;
  }
}

fleet::fleet(world& w, virtual_network& net, bridges& links, const fleet_plan& plan,
             const run_model& model, caf::actor sink, engine_listener on_engine, uint64_t seed)
    : world_(w),
      net_(net),
      plan_(plan),
      model_(model),
      sink_(std::move(sink)),
      on_engine_(std::move(on_engine)),
      seed_(seed) {
  if (plan.hosts.empty()) {
    for (int32_t stage = 0; stage < plan.stages; ++stage)
      for (int32_t i = 0; i < plan.workers_per_stage; ++i)
        add_worker(links, stage);
  }
  for (const auto& shape : plan.hosts)
    if (shape.stage >= 0) add_worker(links, shape.stage);
  for (int32_t i = 0; i < plan.trainers; ++i)
    add_trainer(links, i == 0);
}

host_shape fleet::shape_of(size_t index, int32_t stage) const {
  if (index < plan_.hosts.size()) return plan_.hosts[index];
  return {stage, plan_.forward, plan_.forward / 10, plan_.line};
}

void fleet::add_compute_faults(faults::conditions& to) const {
  using namespace faults;
  const auto add_for_each = [&](double share, rule (*make)(selection)) {
    if (share <= 0) return;
    to.add(make(sometimes<wire::forward>(share)));
    to.add(make(sometimes<wire::backward, int>(share)));
    to.add(make(sometimes<wire::loss, int>(share)));
  };
  const auto& rates = plan_.compute;
  add_for_each(rates.out_of_memory.low, &out_of_memory);
  add_for_each(rates.non_finite.low, &not_finite);
  add_for_each(rates.wrong_shape.low, &wrong_shape);
  if (rates.non_finite.low > 0) to.add(nan_loss(sometimes<wire::loss, int>(rates.non_finite.low)));
  if (rates.stall.low > 0)
    to.add(stall(sometimes<wire::forward>(rates.stall.low), 20 * plan_.forward));
}

void fleet::add_worker(bridges& links, int32_t stage) {
  const size_t index = members_.size();
  members_.emplace_back();
  auto& one = members_.back();
  const auto shape = shape_of(index, stage);
  compute_cost cost;
  cost.forward = shape.forward;
  cost.backward = 2 * shape.forward;
  cost.loss = 3 * shape.forward;
  cost.apply = shape.apply;
  cost.spread = 0.2;
  one.stage = stage;
  one.keeps_state = world_.random().unit() < plan_.keep_state;
  one.compute = std::make_shared<device>(world_, cost, seed_ + index);
  one.compute_faults = std::make_unique<faults::conditions>(seed_ * 31 + index);
  add_compute_faults(*one.compute_faults);
  one.where = std::make_unique<host>(
      world_, net_, links,
      [this, index](world&, const wire::directory_actor& directory, bool with_state) {
        return spawn_worker(index, directory, with_state);
      },
      one.compute, shape.line);
}

caf::actor fleet::spawn_worker(size_t index, const wire::directory_actor& directory,
                               bool with_state) {
  auto& one = members_[index];
  const bool first_life = one.where->lives() == 1;
  if (!with_state) one.stores.clear();
  one.snapshots = std::make_shared<stage::snapshot_store>();
  peer::stage_peer_options options;
  options.id = peer_id{index + 1};
  options.first_incarnation = first_incarnation(*one.where);
  options.stage = stage_id{one.stage};
  options.start = first_life ? stage::start_mode::fresh : stage::start_mode::fetch;
  options.make_engine = [this, index](stage_id stage) {
    members_[index].stage = stage.value();
    return observe(model_.make_engine(stage),
                   [this, index](const engine_event& event) { on_engine_(index, event); });
  };
  options.detached = false;
  options.activation_cache_bytes = static_cast<size_t>(plan_.compute.cache_bytes.low);
  options.allow_virtual = true;
  options.directory = directory;
  options.telemetry = net_.tap(one.where->id(), sink_);
  options.restart = restart_policy();
  options.make_store = [this, index](stage_id stage) -> std::shared_ptr<stage::state_store> {
    auto& member = members_[index];
    if (!member.keeps_state) return nullptr;
    auto& store = member.stores[stage.value()];
    if (!store) store = std::make_shared<stage::memory_state_store>();
    return store;
  };
  if (plan_.keep_every > 0) {
    options.snapshots = one.snapshots;
    options.backup_period = plan_.times.backup_period;
    options.announce_period = plan_.times.announce_period;
    options.stages.resize(static_cast<size_t>(plan_.stages));
    if (plan_.rebalance_s > 0) {
      options.policy = rebalancing::policy_kind::throughput;
      options.policy_settings.period = rebalancing::seconds{plan_.rebalance_s};
    }
  }
  scale_limits(options);
  options.chunk_timeout = plan_.times.chunk;
  options.wrap_compute = [this, index](caf::actor_system& system,
                                       const stage::compute_actor& compute) {
    auto& member = members_[index];
    member.part = caf::actor_cast<caf::weak_actor_ptr>(compute);
    return faults::faulty_link(system, member.compute->in_front_of(compute),
                               *member.compute_faults);
  };
  return peer::spawn_stage_peer(world_.system(), std::move(options));
}

/// What is given in bytes counts as what it stands for.
void fleet::scale_limits(peer::stage_peer_options& options) const {
  const auto scaled = [](uint64_t bytes, double scale) {
    return std::max<uint64_t>(sizeof(int64_t),
                              static_cast<uint64_t>(static_cast<double>(bytes) / scale));
  };
  options.part_elements = model_.part_elements;
  auto& sums = options.averaging;
  sums.in_flight_bytes_max = scaled(sums.in_flight_bytes_max, plan_.gradient_scale);
  sums.window_bytes_min = scaled(sums.window_bytes_min, plan_.gradient_scale);
  options.chunk_bytes =
      plan_.chunk_bytes > 0 ? scaled(plan_.chunk_bytes, plan_.state_scale) : model_.chunk_bytes;
  options.download_window_bytes = scaled(options.download_window_bytes, plan_.state_scale);
}

void fleet::add_trainer(bridges& links, bool first) {
  const size_t index = members_.size();
  members_.emplace_back();
  members_.back().where = std::make_unique<host>(
      world_, net_, links,
      [this, index, first](world&, const wire::directory_actor& directory, bool) {
        return spawn_trainer(index, directory, first);
      },
      nullptr, shape_of(index, -1).line);
}

caf::actor fleet::spawn_trainer(size_t index, const wire::directory_actor& directory, bool first) {
  auto& one = members_[index];
  peer::training_peer_options options;
  options.id = peer_id{index + 1};
  options.first_incarnation = first_incarnation(*one.where);
  options.directory = directory;
  options.restart = restart_policy();
  options.trainer.stages = plan_.stages;
  options.trainer.source = model_.source;
  options.trainer.in_flight = plan_.in_flight;
  options.trainer.policy = plan_.routing;
  options.trainer.routing_seed = seed_ + index;
  options.trainer.saved_bytes_max = static_cast<size_t>(plan_.compute.saved_bytes.low);
  options.trainer.call_timeout = plan_.times.call;
  options.trainer.allow_virtual = true;
  options.evaluator.stages = plan_.stages;
  training::coordinator_options coordinator;
  coordinator.first = first && one.where->lives() == 1;
  coordinator.target = step_id{INT64_MAX};
  coordinator.stages = plan_.stages;
  coordinator.microbatches = plan_.microbatches;
  coordinator.telemetry = net_.tap(one.where->id(), sink_);
  coordinator.gather_timeout = plan_.times.gather;
  coordinator.reduce_timeout = plan_.times.reduce;
  coordinator.lease_timeout = plan_.times.lease;
  coordinator.election_timeout = plan_.times.election;
  coordinator.arbiter = {rebalancing::seconds{10}, rebalancing::seconds{3}};
  coordinator.keep_every = plan_.keep_every;
  coordinator.rescue_after = plan_.keep_every > 0 ? plan_.times.rescue_after : 0ms;
  options.coordinator = std::move(coordinator);
  return peer::spawn_training_peer(world_.system(), std::move(options));
}

}  // namespace swarm::simulation
