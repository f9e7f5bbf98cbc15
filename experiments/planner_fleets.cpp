#include "experiments/planner_fleets.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <variant>

#include "actors/random.hpp"
#include "actors/simulation/modelled_engine.hpp"
#include "actors/simulation/swarm_run.hpp"

namespace swarm::experiments {

namespace {

constexpr double nanoseconds = 1e9;
constexpr double gibibyte = 1024.0 * 1024 * 1024;
/// Well below the simulated trainers' and coordinators' time-outs.
constexpr double call_s_max = 1.5;
constexpr double step_s_max = 6;
constexpr int64_t warm_steps = 4;
/// Between the seeds of one fleet's runs, so that no two fleets share one.
constexpr uint64_t seeds_apart = 1'000'003;
/// Of the simulated fleet's devices.
constexpr double device_spread = 0.2;

double between(splitmix64& random, double low, double high) {
  return low + (high - low) * random.unit();
}

int64_t whole(splitmix64& random, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(random.below(static_cast<size_t>(high - low + 1)));
}

planner::peer_kind draw_kind(splitmix64& random, size_t number) {
  planner::peer_kind kind;
  kind.name = "kind-" + std::to_string(number);
  kind.count = whole(random, 1, 6);
  // Up to 8 times as fast as the slowest.
  kind.flop_per_s = 20e9 * static_cast<double>(1U << random.below(4)) * between(random, 0.8, 1.2);
  kind.memory_bytes = 4 * gibibyte;
  kind.up_bits_per_s = between(random, 50e6, 500e6);
  kind.down_bits_per_s = between(random, 50e6, 500e6);
  kind.latency_s = between(random, 0, 0.02);
  return kind;
}

planner::question draw_question(splitmix64& random) {
  planner::question asked;
  auto& work = asked.work;
  work.model.layers = whole(random, 4, 16);
  work.model.width = 64 * whole(random, 2, 6);
  work.model.heads = 4;
  work.model.context = 64;
  work.model.vocabulary = whole(random, 256, 8'000);
  work.rows = whole(random, 1, 4);
  work.microbatches = whole(random, 16, 64);
  work.trainers = whole(random, 1, 3);
  work.in_flight = whole(random, 2, 12);
  for (size_t k = 0, kinds = 2 + random.below(3); k < kinds; ++k)
    asked.peers.push_back(draw_kind(random, k));
  asked.trainer.latency_s = between(random, 0, 0.01);
  asked.trainer.up_bytes_per_s = between(random, 20e6, 120e6);
  asked.trainer.down_bytes_per_s = between(random, 20e6, 120e6);
  asked.stages = whole(random, 1, std::min<int64_t>(8, work.model.layers));
  asked.message_s = 0;
  asked.byte_s = 0;
  asked.spread = device_spread;
  asked.call_timeout_s = call_s_max;
  return asked;
}

simulation::moment from_s(double seconds) {
  return simulation::moment{static_cast<int64_t>(seconds * nanoseconds)};
}

simulation::host_conditions conditions_of(const planner::line& where) {
  return {from_s(where.latency_s), where.up_bytes_per_s, where.down_bytes_per_s};
}

std::vector<simulation::host_shape> hosts_of(const planner::replay_setup& setup) {
  std::vector<simulation::host_shape> hosts;
  for (size_t s = 0; s < setup.stages.size(); ++s)
    for (const auto& w : setup.stages[s].workers) {
      // A device takes three forwards for the last stage's one call.
      const double forward_s = s + 1 == setup.stages.size() ? w.backward_s / 3 : w.forward_s;
      hosts.push_back(
          {static_cast<int32_t>(s), from_s(forward_s), from_s(w.step_s), conditions_of(w.where)});
    }
  for (const auto& t : setup.trainers)
    hosts.push_back({-1, {}, {}, conditions_of(t)});
  return hosts;
}

/// The plan's replay with what the simulator's engines have instead of gradients.
planner::replay_setup matched(const planner::question& asked, const planner::plan& made) {
  std::vector<planner::stage_load> loads;
  for (const auto& stage : made.stages)
    loads.push_back(stage.load);
  auto setup = planner::setup_of(asked, loads, made.where);
  for (auto& stage : setup.stages)
    stage.gradient_bytes = static_cast<double>(simulation::fingerprint_elements * sizeof(int64_t));
  setup.warm_steps = 4;
  setup.steps = 24;
  return setup;
}

/// Adds a run to the others: its steps, and the virtual seconds they took. False: too few steps.
bool simulate(fleet_comparison& what, const planner::replay_setup& setup, double step_s,
              uint64_t seed, int64_t steps, double& mean_step_s) {
  const auto& work = what.asked.work;
  simulation::scenario plain;
  plain.name = "planned";
  const auto exactly = [](double value) { return simulation::knob{value, value}; };
  plain.microbatches = exactly(static_cast<double>(work.microbatches));
  plain.in_flight = exactly(static_cast<double>(work.in_flight));
  plain.network.latency_ms = exactly(0);
  plain.compute.cache_bytes = exactly(1e12);
  plain.compute.saved_bytes = exactly(1e12);
  plain.fault_s = exactly(step_s * static_cast<double>(warm_steps + steps) * 1.2 + 1);
  simulation::modelled_options shape;
  shape.rows = work.rows;
  shape.context = work.model.context;
  shape.width = work.model.width;
  std::map<int64_t, double> applied_s;  // when the first worker had applied the step
  simulation::run_options options;
  options.hosts = hosts_of(setup);
  options.observe = [&](const simulation::observed_work& seen) {
    if (seen.event.kind == simulation::engine_event::what::applied)
      applied_s.emplace(seen.event.step, seen.time_s);
  };
  const auto result = simulation::simulate(plain, seed,
                                           {{"modelled",
                                             [shape](const simulation::run_size& size) {
                                               return simulation::make_modelled_of(size, shape);
                                             }}},
                                           options);
  what.virtual_s += result.virtual_s;
  what.faultless = what.faultless && result.violations.empty();
  const auto first = applied_s.lower_bound(warm_steps);
  if (first == applied_s.end() || applied_s.rbegin()->first <= first->first) return false;
  const auto counted = applied_s.rbegin()->first - first->first;
  what.steps += counted;
  mean_step_s +=
      (applied_s.rbegin()->second - first->second) / static_cast<double>(counted) / fleet_runs;
  return true;
}

}  // namespace

std::optional<fleet_comparison> compare_fleet(uint64_t seed, int64_t steps) {
  splitmix64 random{seed};
  fleet_comparison result;
  result.asked = draw_question(random);
  auto made = planner::make_plan(result.asked);
  if (std::holds_alternative<std::string>(made)) return std::nullopt;
  result.made = std::get<planner::plan>(std::move(made));
  const auto setup = matched(result.asked, result.made);
  const auto step = planner::replay_mean(setup, fleet_runs);
  if (step.step_s_max > step_s_max || step.longest_call_s > call_s_max) return std::nullopt;
  result.predicted_tokens_per_s = result.asked.work.tokens_per_step() / step.step_s;
  result.faultless = true;
  double mean_step_s = 0;
  for (int run = 0; run < fleet_runs; ++run) {
    const auto other = seed + static_cast<uint64_t>(run) * seeds_apart;
    if (!simulate(result, setup, step.step_s_max, other, steps, mean_step_s)) return result;
  }
  result.simulated_tokens_per_s = result.asked.work.tokens_per_step() / mean_step_s;
  return result;
}

}  // namespace swarm::experiments
