// How much of unequal peers' speed the wiring uses: the production actors in virtual time, one run
// per policy on the same fleet.

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "actors/simulation/modelled_engine.hpp"
#include "actors/simulation/swarm_run.hpp"
#include "experiments/program.hpp"
#include "tools/options/option_table.hpp"
#include "tools/report/result_file.hpp"
#include "tools/report/table.hpp"

namespace {

using namespace swarm;
using namespace std::chrono_literals;

constexpr double unequal_share_min = 0.97;
constexpr double mixed_share_min = 0.95;
/// Forward, backward of twice that; the last stage does both in one call.
constexpr double forwards_per_microbatch = 3;
constexpr simulation::moment slowest_forward = 8ms;

constexpr wiring::policy_kind policies[] = {
    wiring::policy_kind::shortest_wait,
    wiring::policy_kind::interleaved_weighted_round_robin,
    wiring::policy_kind::paper,
    wiring::policy_kind::shortest_queue,
    wiring::policy_kind::power_of_two_choices,
    wiring::policy_kind::uniform_random,
    wiring::policy_kind::fixed,
};

struct routing_options {
  tools::run_options run;  ///< out, json, check and smoke
  int64_t stages = 3;
  int64_t trainers = 2;
  int64_t in_flight = 64;
  int64_t microbatches = 2'000;
  int64_t steps = 3;
  int64_t seeds = 3;
};

/// Of each stage; 1 takes slowest_forward.
using speeds = std::vector<double>;

double sum_of_rates(const speeds& peers) {
  double sum = 0;
  for (const double speed : peers)
    sum += speed;
  const double forward_s = std::chrono::duration<double>(slowest_forward).count();
  return sum / (forward_s * forwards_per_microbatch);
}

/// Microbatches per virtual second, from the end of the first step on.
struct rates {
  double full = 0;   ///< while the pipeline is full: the middle of each step
  double whole = 0;  ///< the filling and draining of each step included
};

/// Between the first and the last fifth of a step's microbatches; median of the steps.
double rate_when_full(const std::vector<std::vector<double>>& done_s) {
  std::vector<double> found;
  for (const auto& step : done_s) {
    if (step.size() < 10) continue;
    const auto from = step.size() / 5;
    const auto to = step.size() - from;
    found.push_back(static_cast<double>(to - from) / (step[to] - step[from]));
  }
  std::sort(found.begin(), found.end());
  return found.empty() ? 0 : found[found.size() / 2];
}

/// Zeros when the run broke an invariant.
rates measure(const routing_options& options, const speeds& peers, wiring::policy_kind policy,
              uint64_t seed) {
  const auto exactly = [](double value) { return simulation::knob{value, value}; };
  simulation::scenario calm;
  calm.name = "routing";
  calm.microbatches = exactly(static_cast<double>(options.microbatches));
  calm.in_flight = exactly(static_cast<double>(options.in_flight));
  calm.network.latency_ms = exactly(1);
  calm.compute.cache_bytes = calm.compute.saved_bytes = exactly(1e12);
  const double step_s = static_cast<double>(options.microbatches) / sum_of_rates(peers);
  // The worst of them take several times as long.
  calm.fault_s = exactly(step_s * static_cast<double>(options.steps + 1) * 1.2);
  simulation::run_options how;
  how.routing = policy;
  how.messages_max = UINT64_MAX;
  const simulation::host_conditions line{500us, 0, 0};
  for (int32_t s = 0; s < options.stages; ++s)
    for (const double speed : peers) {
      const auto forward = std::chrono::duration<double>(slowest_forward).count() / speed;
      how.hosts.push_back({s, simulation::moment{static_cast<int64_t>(forward * 1e9)}, 1ms, line});
    }
  for (int64_t t = 0; t < options.trainers; ++t)
    how.hosts.push_back({-1, {}, {}, line});
  std::map<int64_t, double> applied_s;  // when the first worker had applied the step
  std::vector<std::vector<double>> done_s;
  std::vector<double> this_step;
  how.observe = [&](const simulation::observed_work& seen) {
    using what = simulation::engine_event::what;
    const bool last_call = seen.event.kind == what::backward || seen.event.kind == what::loss;
    if (last_call && seen.stage == 0 && seen.event.weight > 0) this_step.push_back(seen.time_s);
    if (seen.event.kind != what::applied) return;
    if (!applied_s.emplace(seen.event.step, seen.time_s).second) return;
    // The routers know nobody in the first.
    if (seen.event.step > 0) done_s.push_back(this_step);
    this_step.clear();
  };
  const auto result =
      simulation::simulate(calm, seed, {{"modelled", &simulation::make_modelled}}, how);
  if (!result.violations.empty() || applied_s.size() < 2) return {};
  const auto steps = applied_s.rbegin()->first - applied_s.begin()->first;
  return {rate_when_full(done_s), static_cast<double>(steps * options.microbatches) /
                                      (applied_s.rbegin()->second - applied_s.begin()->second)};
}

rates median_of(const routing_options& options, const speeds& peers, wiring::policy_kind policy) {
  std::vector<double> full;
  std::vector<double> whole;
  for (int64_t s = 1; s <= options.seeds; ++s) {
    const auto found = measure(options, peers, policy, static_cast<uint64_t>(s));
    full.push_back(found.full);
    whole.push_back(found.whole);
  }
  std::sort(full.begin(), full.end());
  std::sort(whole.begin(), whole.end());
  return {full[full.size() / 2], whole[whole.size() / 2]};
}

int run(const routing_options& options, const tools::option_table& table) {
  if (!options.run.out.empty()) {
    if (auto failure = tools::prepare_folder(options.run.out)) {
      std::fprintf(stderr, "--out: %s\n", failure->c_str());
      return tools::exit_usage;
    }
  }
  const speeds unequal{1, 2, 4, 8};
  const speeds few_fast{8, 8};
  const speeds many_slow{1, 1, 1, 1, 1, 1, 1, 1};
  auto mixed = few_fast;
  mixed.insert(mixed.end(), many_slow.begin(), many_slow.end());
  tools::table shown{
      {"policy", "1:2:4:8, full", "with drains", "2 fast + 8 slow, full", "with drains"}};
  nlohmann::json rows = nlohmann::json::object();
  std::vector<experiments::claim> claims;
  for (const auto policy : policies) {
    const auto name = std::string{to_string(policy)};
    const double all = sum_of_rates(unequal);
    const auto share = median_of(options, unequal, policy);
    const auto fast = median_of(options, few_fast, policy);
    const auto slow = median_of(options, many_slow, policy);
    const auto both = median_of(options, mixed, policy);
    const double together = both.full / (fast.full + slow.full);
    const double together_whole = both.whole / (fast.whole + slow.whole);
    shown.add({name, tools::fixed(share.full / all, 3), tools::fixed(share.whole / all, 3),
               tools::fixed(together, 3), tools::fixed(together_whole, 3)});
    rows[name] = {{"unequal_share", share.full / all},
                  {"unequal_share_with_drains", share.whole / all},
                  {"mixed_share", together},
                  {"mixed_share_with_drains", together_whole}};
    if (policy != wiring::default_policy) continue;
    claims = {{"peers of speed 1:2:4:8 do 97 % of the sum of their rates",
               share.full / all >= unequal_share_min},
              {"a mixed fleet does 95 % of the sum of its parts", together >= mixed_share_min}};
  }
  std::puts("share of the sum of the peers' rates, and of what the parts do alone");
  std::fputs(shown.text().c_str(), stdout);
  return experiments::conclude("routing", table, options.run, rows, claims);
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  routing_options options;
  tools::option_table table{"routing", "How much of unequal peers' speed the wiring uses."};
  table.add(options.stages, "stages", "Of the pipeline.", "stages", 1, 8)
      .add(options.trainers, "trainers", "Each with routers of its own.", "trainers", 1, 16)
      .add(options.in_flight, "in-flight", "Of each trainer at a time.", "microbatches", 1, 1'024)
      .add(options.microbatches, "microbatches", "Of a step, at whose end the pipeline drains.",
           "microbatches", 1, 100'000)
      .add(options.steps, "steps", "Measured, at the full rate.", "steps", 1, 1'000)
      .add(options.seeds, "seeds", "The median of so many runs counts.", "runs", 1, 1'000)
      .add(options.run.out, "out", "Folder for the results; empty: none are written.", "folder")
      .add(options.run.json, "json", "Print the results as one line of JSON at the end.")
      .add(options.run.check, "check", "Fail when a claim does not hold.")
      .add(options.run.smoke, "smoke", "The small size of the test suite.")
      .add_preset("smoke", {"--microbatches=400", "--steps=2", "--seeds=1"});
  return tools::run_main(argc, argv, table, [&] { return run(options, table); });
}
