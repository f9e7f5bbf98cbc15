// What the actors cost: tokens/s of an embedded swarm over tokens/s of one process on the same
// cores, alternating in one run so that the machine's moods hit both.

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "experiments/program.hpp"
#include "experiments/stopwatch.hpp"
#include "experiments/swarm_session.hpp"
#include "tools/report/table.hpp"
#include "tools/run/training_setup.hpp"

namespace {

using namespace swarm;

constexpr double efficiency_min = 0.90;

struct efficiency_options {
  tools::run_options run;
  int64_t rounds = 5;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto middle = values.size() / 2;
  return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

int run(const efficiency_options& options, const tools::option_table& table, tensors::corpus data) {
  const tools::training_setup setup{options.run, std::move(data)};
  const auto threads = static_cast<int>(tools::usable_cores());
  auto baseline = setup.reference(threads);
  experiments::swarm_session session{setup.swarm()};
  int64_t recomputed = 0;
  const auto handler = [&](const telemetry::event& event) {
    if (event.name == "step")
      recomputed += static_cast<int64_t>(experiments::number(event, "recomputed").value_or(0));
  };
  std::vector<double> of_baseline;
  std::vector<double> of_swarm;
  std::vector<double> ratios;
  tools::table rows{{"round", "baseline tokens/s", "swarm tokens/s", "ratio"}};
  // Round 0 warms both up and does not count.
  for (int64_t round = 0; round <= options.rounds; ++round) {
    const auto tokens = static_cast<double>(setup.tokens_per_step() * options.run.steps);
    const experiments::stopwatch first;
    for (int64_t i = 0; i < options.run.steps; ++i)
      baseline.step();
    const double baseline_rate = tokens / first.seconds();
    const experiments::stopwatch second;
    if (auto failure = session.run_until((round + 1) * options.run.steps, handler)) {
      std::fprintf(stderr, "efficiency: %s\n", failure->c_str());
      return tools::exit_failure;
    }
    const double swarm_rate = tokens / second.seconds();
    if (round == 0) continue;
    of_baseline.push_back(baseline_rate);
    of_swarm.push_back(swarm_rate);
    ratios.push_back(swarm_rate / baseline_rate);
    rows.add({std::to_string(round), tools::fixed(baseline_rate, 0), tools::fixed(swarm_rate, 0),
              tools::fixed(ratios.back(), 3)});
  }
  rows.add({"median", tools::fixed(median(of_baseline), 0), tools::fixed(median(of_swarm), 0),
            tools::fixed(median(ratios), 3)});
  std::fputs(rows.text().c_str(), stdout);
  std::printf("%lld stages x %lld workers on %d cores, %lld forwards recomputed\n",
              static_cast<long long>(options.run.stages),
              static_cast<long long>(options.run.workers), threads,
              static_cast<long long>(recomputed));
  return experiments::conclude("efficiency", table, options.run,
                               {{"efficiency", median(ratios)},
                                {"baseline_tokens_per_second", median(of_baseline)},
                                {"swarm_tokens_per_second", median(of_swarm)},
                                {"recomputed", recomputed},
                                {"cores", threads}},
                               {{"the swarm trains at 0.90 of one process' speed or better",
                                 median(ratios) >= efficiency_min},
                                {"no forward is recomputed while the activation cache holds",
                                 recomputed == 0, experiments::claim_of::both_sizes}});
}

}  // namespace

int main(int argc, char** argv) {
  efficiency_options options;
  options.run.steps = 15;
  options.run.workers = 1;
  tools::option_table table{"efficiency",
                            "Tokens/s of an embedded swarm over tokens/s of one process."};
  tools::add_run_options(table, options.run);
  table.add(options.rounds, "rounds", "Measurements of each side, alternating.", "rounds", 1, 1000);
  table.add_preset("smoke", {"--steps=2", "--layers=3", "--width=32", "--heads=2", "--context=16",
                             "--microbatches=4", "--rounds=2"});
  return experiments::experiment_main(argc, argv, table, options.run, [&](tensors::corpus data) {
    return run(options, table, std::move(data));
  });
}
