// How much of unequal peers' speed the wiring uses: the production actors in virtual time, one run
// per policy on the same fleet.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

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
constexpr double wide_share_min = 0.97;
constexpr double far_share_min = 0.93;
/// Of each peer's rate, relative to all peers'.
constexpr double fair_share_off_max = 0.10;
/// Forward, backward of twice that; the last stage does both in one call.
constexpr double forwards_per_microbatch = 3;
constexpr simulation::moment slowest_forward = 8ms;
/// Of each path: this, and what both of its hosts have of their own.
constexpr simulation::moment calm_latency = 1ms;
constexpr simulation::moment near_latency = 500us;
constexpr simulation::moment far_latency = 48'500us;
/// With links this long a call must take longer, or all calls in flight are on the way.
constexpr int64_t far_slower = 5;
constexpr int64_t far_in_flight = 2;  ///< times the usual

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
  int64_t microbatches = 6'000;
  int64_t steps = 2;
  int64_t seeds = 3;
};

/// The peers of each stage.
struct fleet {
  std::vector<double> speeds;                   ///< 1 takes slowest
  std::vector<simulation::moment> latencies{};  ///< none: all near
  simulation::moment slowest = slowest_forward;

  simulation::moment latency(size_t peer) const {
    return latencies.empty() ? near_latency : latencies[peer];
  }
};

double sum_of(const std::vector<double>& speeds) {
  return std::accumulate(speeds.begin(), speeds.end(), 0.0);
}

double sum_of_rates(const fleet& peers) {
  const double forward_s = std::chrono::duration<double>(peers.slowest).count();
  return sum_of(peers.speeds) / (forward_s * forwards_per_microbatch);
}

/// Microbatches per virtual second, from the end of the first step on.
struct rates {
  double full = 0;      ///< while the pipeline is full: the middle of each step
  double full_min = 0;  ///< of the seeds
  double whole = 0;     ///< the filling and draining of each step included
  /// By peer, the mean of the stages: its part of the microbatches / its part of the rates.
  std::vector<double> fair{};
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
rates measure(const routing_options& options, const fleet& peers, wiring::policy_kind policy,
              uint64_t seed) {
  const auto exactly = [](double value) { return simulation::knob{value, value}; };
  simulation::scenario calm;
  calm.name = "routing";
  calm.microbatches = exactly(static_cast<double>(options.microbatches));
  calm.in_flight = exactly(static_cast<double>(options.in_flight));
  calm.network.latency_ms =
      exactly(std::chrono::duration<double, std::milli>(calm_latency).count());
  calm.compute.cache_bytes = calm.compute.saved_bytes = exactly(1e12);
  const double step_s = static_cast<double>(options.microbatches) / sum_of_rates(peers);
  // The worst of them take several times as long.
  calm.fault_s = exactly(step_s * static_cast<double>(options.steps + 1) * 1.2);
  simulation::run_options how;
  how.routing = policy;
  how.messages_max = UINT64_MAX;
  const size_t of_a_stage = peers.speeds.size();
  for (int32_t s = 0; s < options.stages; ++s)
    for (size_t p = 0; p < of_a_stage; ++p) {
      const auto forward = std::chrono::duration<double>(peers.slowest).count() / peers.speeds[p];
      how.hosts.push_back({s,
                           simulation::moment{static_cast<int64_t>(forward * 1e9)},
                           1ms,
                           {peers.latency(p), 0, 0}});
    }
  for (int64_t t = 0; t < options.trainers; ++t)
    how.hosts.push_back({-1, {}, {}, {near_latency, 0, 0}});
  std::vector<double> served(of_a_stage, 0);
  std::map<int64_t, double> applied_s;  // when the first worker had applied the step
  std::vector<std::vector<double>> done_s;
  std::vector<double> this_step;
  how.observe = [&](const simulation::observed_work& seen) {
    using what = simulation::engine_event::what;
    const bool last_call = seen.event.kind == what::backward || seen.event.kind == what::loss;
    if (last_call && seen.stage == 0 && seen.event.weight > 0) this_step.push_back(seen.time_s);
    if (last_call && seen.event.weight > 0 && !applied_s.empty())
      ++served[seen.member % of_a_stage];
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
  rates found;
  found.full = rate_when_full(done_s);
  found.whole = static_cast<double>(steps * options.microbatches) /
                (applied_s.rbegin()->second - applied_s.begin()->second);
  const double per_speed = sum_of(served) / sum_of(peers.speeds);
  for (size_t p = 0; p < of_a_stage; ++p)
    found.fair.push_back(served[p] / (per_speed * peers.speeds[p]));
  return found;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

rates median_of(const routing_options& options, const fleet& peers, wiring::policy_kind policy) {
  std::vector<double> full;
  std::vector<double> whole;
  std::vector<std::vector<double>> fair(peers.speeds.size());
  for (int64_t s = 1; s <= options.seeds; ++s) {
    const auto found = measure(options, peers, policy, static_cast<uint64_t>(s));
    full.push_back(found.full);
    whole.push_back(found.whole);
    for (size_t p = 0; p < found.fair.size(); ++p)
      fair[p].push_back(found.fair[p]);
  }
  rates middle;
  middle.full = median(full);
  middle.full_min = *std::min_element(full.begin(), full.end());
  middle.whole = median(whole);
  for (const auto& of_peer : fair)
    middle.fair.push_back(median(of_peer));
  return middle;
}

/// Which part of the microbatches each peer gets, beside its part of the rates.
void show_shares(const routing_options& options, nlohmann::json& rows,
                 std::vector<experiments::claim>& claims) {
  fleet wide{{1, 2, 4, 8, 16}};
  fleet spread{{1, 1, 2, 2, 4, 4, 8, 8}};
  spread.slowest *= far_slower;
  for (size_t p = 0; p < spread.speeds.size(); ++p)
    spread.latencies.push_back(p % 2 == 0 ? near_latency : far_latency);
  auto more = options;
  more.in_flight *= far_in_flight;
  const auto all_near = median_of(options, wide, wiring::default_policy);
  const auto half_far = median_of(more, spread, wiring::default_policy);
  tools::table shown{{"fleet", "speed", "ms away", "of the rates", "of the microbatches", "ratio"}};
  bool fair = true;
  const auto show = [&](const char* name, const fleet& peers, const rates& found) {
    auto& row = rows[name];
    row["share_min"] = found.full_min / sum_of_rates(peers);
    row["share"] = found.full / sum_of_rates(peers);
    row["share_with_drains"] = found.whole / sum_of_rates(peers);
    row["fair"] = found.fair;
    for (size_t p = 0; p < peers.speeds.size(); ++p) {
      const double part = peers.speeds[p] / sum_of(peers.speeds);
      const auto away =
          std::chrono::duration<double, std::milli>(calm_latency + peers.latency(p) + near_latency);
      shown.add({name, tools::fixed(peers.speeds[p], 0), tools::fixed(away.count(), 0),
                 tools::fixed(part, 3), tools::fixed(part * found.fair[p], 3),
                 tools::fixed(found.fair[p], 2)});
      // Not a number when nothing was counted: that is no success.
      fair = fair && std::fabs(found.fair[p] - 1) <= fair_share_off_max;
    }
  };
  show("x1 to x16", wide, all_near);
  show("half far away", spread, half_far);
  std::puts("\neach peer's part of the work, by the default policy");
  std::fputs(shown.text().c_str(), stdout);
  for (const char* name : {"x1 to x16", "half far away"})
    std::printf("%s: %.3f of the sum of the rates, %.3f with drains\n", name,
                rows[name]["share"].get<double>(), rows[name]["share_with_drains"].get<double>());
  claims.push_back({"peers of speed 1:2:4:8:16 do 97 % of the sum of their rates",
                    all_near.full_min / sum_of_rates(wide) >= wide_share_min});
  claims.push_back({"with half of the peers 50 ms away it is 93 %",
                    half_far.full_min / sum_of_rates(spread) >= far_share_min});
  claims.push_back({"each peer's share is within 10 % of its rate's", fair});
}

int run(const routing_options& options, const tools::option_table& table) {
  if (!options.run.out.empty()) {
    if (auto failure = tools::prepare_folder(options.run.out)) {
      std::fprintf(stderr, "--out: %s\n", failure->c_str());
      return tools::exit_usage;
    }
  }
  const fleet unequal{{1, 2, 4, 8}};
  const fleet few_fast{{8, 8}};
  const fleet many_slow{{1, 1, 1, 1, 1, 1, 1, 1}};
  const fleet mixed{{8, 8, 1, 1, 1, 1, 1, 1, 1, 1}};
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
                  {"unequal_share_min", share.full_min / all},
                  {"unequal_share_with_drains", share.whole / all},
                  {"mixed_share", together},
                  {"mixed_share_min", both.full_min / (fast.full + slow.full)},
                  {"mixed_share_with_drains", together_whole}};
    if (policy != wiring::default_policy) continue;
    claims = {{"peers of speed 1:2:4:8 do 97 % of the sum of their rates",
               share.full_min / all >= unequal_share_min},
              {"a mixed fleet does 95 % of the sum of its parts",
               both.full_min / (fast.full + slow.full) >= mixed_share_min}};
  }
  std::puts("share of the sum of the peers' rates, and of what the parts do alone");
  std::fputs(shown.text().c_str(), stdout);
  show_shares(options, rows, claims);
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
      .add(options.seeds, "seeds", "The median of so many runs is shown; claims are for each.",
           "runs", 1, 1'000)
      .add(options.run.out, "out", "Folder for the results; empty: none are written.", "folder")
      .add(options.run.json, "json", "Print the results as one line of JSON at the end.")
      .add(options.run.check, "check", "Fail when a claim does not hold.")
      .add(options.run.smoke, "smoke", "The small size of the test suite.")
      .add_preset("smoke", {"--microbatches=400", "--steps=2", "--seeds=1"});
  return tools::run_main(argc, argv, table, [&] { return run(options, table); });
}
