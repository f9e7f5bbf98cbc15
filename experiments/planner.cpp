// The planner's tokens per second against what happens: random fleets with the production actors in
// virtual time, and `swarm up` on this machine.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "experiments/planner_fleets.hpp"
#include "experiments/planner_runs.hpp"
#include "experiments/program.hpp"
#include "tools/report/table.hpp"
#include "tools/report/user_path.hpp"
#include "tools/run/training_setup.hpp"

namespace {

using namespace swarm;

constexpr double simulated_error_max = 0.10;
constexpr double process_error_max = 0.20;
/// Draws per fleet that may be refused.
constexpr int64_t draws_per_fleet = 20;

struct planner_options {
  tools::run_options run;
  int64_t fleets = 50;
  int64_t first_fleet = 1;
  int64_t fleet_steps = 24;
  int64_t runs = 3;
  int64_t run_seconds = 30;
  int64_t calibration_seconds = 10;
  std::string dir;
  bool verbose = false;
};

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof(text), "%+.1f", 100 * share);
  return text;
}

std::string whole(double value) {
  return tools::fixed(value, 0);
}

std::vector<experiments::fleet_comparison> compare_fleets(const planner_options& options) {
  std::vector<experiments::fleet_comparison> all;
  auto seed = static_cast<uint64_t>(options.first_fleet);
  const auto wanted = static_cast<size_t>(options.fleets);
  for (int64_t i = 0; all.size() < wanted && i < options.fleets * draws_per_fleet; ++i)
    if (auto one = experiments::compare_fleet(seed++, options.fleet_steps))
      all.push_back(std::move(*one));
  return all;
}

void print(const std::vector<experiments::fleet_comparison>& all) {
  tools::table rows{{"fleet", "stages", "kinds", "peers", "trainers", "in flight", "microbatches",
                     "planned tokens/s", "simulated", "error %"}};
  for (size_t i = 0; i < all.size(); ++i) {
    const auto& one = all[i];
    const auto& work = one.asked.work;
    rows.add({std::to_string(i + 1), std::to_string(one.made.stages.size()),
              std::to_string(one.asked.peers.size()),
              std::to_string(planner::peers_of(one.asked.peers)), std::to_string(work.trainers),
              std::to_string(work.in_flight), std::to_string(work.microbatches),
              whole(one.predicted_tokens_per_s), whole(one.simulated_tokens_per_s),
              percent(one.error())});
  }
  std::fputs(rows.text().c_str(), stdout);
}

template <class All>
double worst_of(const All& all) {
  double worst = 0;
  for (const auto& one : all)
    worst = std::max(worst, std::isfinite(one.error()) ? std::fabs(one.error()) : 1e9);
  return worst;
}

template <class All>
double mean_of(const All& all) {
  double sum = 0;
  for (const auto& one : all)
    sum += std::fabs(one.error());
  return all.empty() ? 0 : sum / static_cast<double>(all.size());
}

/// Three runs that differ in what is their limit: depth, replicas, width.
struct shape {
  const char* name;
  int64_t stages;
  int64_t workers;
  int64_t trainers;
  int64_t width;
  int64_t layers;
};
constexpr shape shapes[] = {{"2 stages x 1, d 256", 2, 1, 1, 256, 6},
                            {"3 stages x 2, d 128", 3, 2, 2, 128, 6},
                            {"2 stages x 2, d 384", 2, 2, 2, 384, 4}};

std::vector<experiments::process_comparison> compare_runs(const planner_options& options,
                                                          const tensors::corpus& data) {
  namespace fs = std::filesystem;
  const auto base = options.dir.empty() ? fs::temp_directory_path() / "swarm-planner"
                                        : fs::path{tools::user_path(options.dir)};
  std::vector<experiments::process_comparison> all;
  for (int64_t i = 0; i < options.runs; ++i) {
    const auto& what = shapes[i];
    auto run = options.run;
    run.stages = what.stages;
    run.workers = what.workers;
    if (!run.smoke) {
      run.model.width = what.width;
      run.model.layers = what.layers;
      run.model.heads = 4;
    }
    const auto core =
        experiments::calibrate(run, data, static_cast<double>(options.calibration_seconds));
    std::printf("%s: one core does %.1f GFLOP/s, and %.1f ns per parameter and step\n", what.name,
                core.flop_per_s / 1e9, core.step_seconds_per_parameter * 1e9);
    all.push_back(experiments::compare_processes(
        what.name, run, what.trainers, core, static_cast<double>(options.run_seconds),
        (base / std::to_string(i)).string(), options.verbose));
    if (!all.back().finished)
      std::fprintf(stderr, "planner: '%s' did not finish: %s\n", what.name,
                   all.back().complaint.c_str());
  }
  return all;
}

void print(const std::vector<experiments::process_comparison>& all) {
  tools::table rows{{"swarm up", "cores left to it", "planned tokens/s", "measured", "error %",
                     "planned for a quiet machine"}};
  for (const auto& one : all)
    rows.add({one.name, tools::fixed(one.cores, 2), whole(one.predicted_tokens_per_s),
              whole(one.measured_tokens_per_s), percent(one.error()),
              whole(one.quiet_tokens_per_s)});
  std::fputs(rows.text().c_str(), stdout);
}

nlohmann::json to_json(const std::vector<experiments::fleet_comparison>& fleets,
                       const std::vector<experiments::process_comparison>& runs) {
  auto simulated = nlohmann::json::array();
  for (const auto& one : fleets)
    simulated.push_back({{"stages", one.made.stages.size()},
                         {"peers", planner::peers_of(one.asked.peers)},
                         {"planned_tokens_per_s", one.predicted_tokens_per_s},
                         {"simulated_tokens_per_s", one.simulated_tokens_per_s},
                         {"steps", one.steps},
                         {"virtual_s", one.virtual_s}});
  auto processes = nlohmann::json::array();
  for (const auto& one : runs)
    processes.push_back({{"name", one.name},
                         {"cores", one.cores},
                         {"planned_tokens_per_s", one.predicted_tokens_per_s},
                         {"quiet_tokens_per_s", one.quiet_tokens_per_s},
                         {"measured_tokens_per_s", one.measured_tokens_per_s}});
  return {{"simulated", simulated}, {"processes", processes}};
}

/// Nothing is claimed of what was not asked for.
std::vector<experiments::claim> claims_of(
    const planner_options& options, const std::vector<experiments::fleet_comparison>& fleets,
    const std::vector<experiments::process_comparison>& runs) {
  using of = experiments::claim_of;
  std::vector<experiments::claim> claims;
  if (options.fleets > 0) {
    claims.push_back({"as many fleets as asked for are planned and simulated",
                      fleets.size() == static_cast<size_t>(options.fleets), of::any_size});
    claims.push_back(
        {"all invariants hold in the simulated runs",
         std::all_of(fleets.begin(), fleets.end(), [](const auto& one) { return one.faultless; }),
         of::any_size});
    claims.push_back({"the plan is within 10 % of the simulator for every fleet",
                      worst_of(fleets) <= simulated_error_max, of::both_sizes});
  }
  if (options.runs > 0)
    claims.push_back(
        {"the real runs finish",
         std::all_of(runs.begin(), runs.end(), [](const auto& one) { return one.finished; }),
         of::any_size});
  // The small size is over before the routers and the caches have settled.
  if (options.runs > 0 && !options.run.smoke)
    claims.push_back(
        {"the plan is within 20 % of every real run", worst_of(runs) <= process_error_max});
  return claims;
}

int run(const planner_options& options, const tools::option_table& table,
        const tensors::corpus& data) {
  const auto fleets = compare_fleets(options);
  print(fleets);
  std::printf("%zu fleets: error %.1f %% in the mean, %.1f %% at worst\n\n", fleets.size(),
              100 * mean_of(fleets), 100 * worst_of(fleets));
  const auto runs = compare_runs(options, data);
  print(runs);
  return experiments::conclude("planner", table, options.run, to_json(fleets, runs),
                               claims_of(options, fleets, runs));
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  planner_options options;
  options.run.microbatches = 16;
  options.run.scope = tools::run_scope::processes;
  tools::option_table table{"planner",
                            "The planner's tokens per second against simulated and real runs."};
  tools::add_run_options(table, options.run);
  table.add(options.fleets, "fleets", "Random fleets.", "fleets", 0, 100'000)
      .add(options.first_fleet, "first-fleet", "Seed of the first draw.", "", 0, INT64_MAX)
      .add(options.fleet_steps, "fleet-steps", "Steps of each that are measured.", "steps", 4,
           10'000)
      .add(options.runs, "runs", "Real runs of `swarm up`.", "runs", 0,
           static_cast<int64_t>(std::size(shapes)))
      .add(options.run_seconds, "run-seconds", "How long each lasts, about.", "s", 1, 86'400)
      .add(options.calibration_seconds, "calibration-seconds",
           "How long one process trains before each, to know the machine.", "s", 1, 3'600)
      .add(options.dir, "dir", "Folder of the runs; empty: one of the system's for such.", "path")
      .add(options.verbose, "verbose", "Prints what the processes print.");
  table.add_preset("smoke",
                   {"--layers=3", "--width=32", "--heads=2", "--context=16", "--microbatches=4",
                    "--fleets=6", "--runs=1", "--run-seconds=2", "--calibration-seconds=1"});
  return experiments::experiment_main(argc, argv, table, options.run, [&](tensors::corpus data) {
    options.run.model.vocabulary = data.vocabulary();
    return run(options, table, data);
  });
}
