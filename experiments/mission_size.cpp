// The mission's size in virtual time: the production actors of hundreds of peers with stages of
// hundreds of millions of parameters, beside what arithmetic says is possible.

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "actors/simulation/mission_plan.hpp"
#include "actors/simulation/swarm_run.hpp"
#include "experiments/mission_scenarios.hpp"
#include "experiments/program.hpp"
#include "experiments/stopwatch.hpp"
#include "tools/report/result_file.hpp"
#include "tools/report/table.hpp"

namespace {

using namespace swarm;
using simulation::cargo;

constexpr double goodput_min = 0.95;
constexpr double bytes_max = 1.1;
constexpr double death_delay_max = 0.1;
constexpr double window_s = 1800;

struct mission_options {
  tools::run_options run;
  experiments::mission_size size;
  int64_t hours = 8;
  int64_t parameters_millions = 250;
  int64_t mean_life_s = -1;
  int64_t seeds = 3;
  int64_t seed = 1;
  int64_t messages_millions = 2'000;
  bool loses_a_stage = true;
  bool verbose = false;
};

/// Of one seed.
struct findings {
  simulation::run_result result;
  simulation::mission_plan plan;
  double planned_bytes = 0;
  double wall_s = 0;
  uint64_t deaths = 0;
  std::vector<int64_t> commits_per_window;
  /// Medians of the passes in which nobody died, and of those in which somebody did; 0: none.
  double pass_s = 0;
  double struck_pass_s = 0;
  /// Median, of the passes in which somebody died, of what each of the deaths made it longer than
  /// one without, which is the planned one if there was none; negative: nobody died in one.
  double death_delay_s = -1;

  double calm_pass_s() const { return pass_s > 0 ? pass_s : plan.step.pass_s; }

  double steps() const { return static_cast<double>(result.version); }
  double possible_steps() const { return result.faults_s / plan.step_s; }
  double goodput() const { return commits_in_time() / possible_steps(); }
  double commits_in_time() const {
    return static_cast<double>(
        std::count_if(result.commits.begin(), result.commits.end(),
                      [&](const auto& c) { return c.first && c.time_s <= result.faults_s; }));
  }
  double sent_bytes() const {
    double total = 0;
    for (size_t c = 0; c < simulation::cargoes; ++c)
      total += static_cast<double>(result.sent_total(static_cast<cargo>(c)));
    return total;
  }
  double sent_beside_plan() const { return sent_bytes() / planned_bytes; }
  bool commits_in_every_window() const {
    return std::all_of(commits_per_window.begin(), commits_per_window.end(),
                       [](int64_t n) { return n > 0; });
  }
};

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

const simulation::model_catalogue& models() {
  static const simulation::model_catalogue known{{"modelled", &simulation::make_modelled}};
  return known;
}

/// A line on standard error now and then.
std::function<void(double, int64_t, uint64_t)> progress() {
  constexpr double period_s = 10;
  return [watch = experiments::stopwatch{}, told_s = 0.0](double time_s, int64_t version,
                                                          uint64_t messages) mutable {
    if (watch.seconds() < told_s + period_s) return;
    told_s = watch.seconds();
    std::fprintf(stderr, "%6.0f s: %.2f virtual hours, %lld steps, %.1f million messages\n", told_s,
                 time_s / 3600, static_cast<long long>(version),
                 static_cast<double>(messages) / 1e6);
  };
}

simulation::run_options options_of(const mission_options& options) {
  simulation::run_options result;
  result.progress = progress();
  result.messages_max = static_cast<uint64_t>(options.messages_millions) * 1'000'000;
  result.mailbox_max = 1'000'000;
  if (options.verbose)
    result.trace = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  return result;
}

/// Passes between whose first and last byte somebody died are told apart.
void sort_passes(findings& found) {
  std::vector<double> calm;
  std::vector<double> struck;
  std::vector<int64_t> deaths_in;
  for (const auto& step : found.result.commits) {
    if (step.reduce_began_s < 0) continue;
    const auto& deaths = found.result.deaths_s;
    const auto during = std::count_if(deaths.begin(), deaths.end(), [&](double at) {
      return at > step.reduce_began_s && at < step.time_s;
    });
    (during > 0 ? struck : calm).push_back(step.time_s - step.reduce_began_s);
    if (during > 0) deaths_in.push_back(during);
  }
  found.pass_s = median(std::move(calm));
  found.struck_pass_s = median(struck);
  std::vector<double> delays;
  for (size_t i = 0; i < struck.size(); ++i)
    delays.push_back(std::max(0.0, struck[i] - found.calm_pass_s()) /
                     static_cast<double>(deaths_in[i]));
  if (!delays.empty()) found.death_delay_s = median(std::move(delays));
}

findings simulate(const mission_options& options, uint64_t seed) {
  const auto what = experiments::mission_scenario(options.size);
  const auto shape = simulation::shape_of(what);
  const experiments::stopwatch watch;
  findings found;
  found.result = simulation::simulate(what, seed, models(), options_of(options));
  found.wall_s = watch.seconds();
  found.deaths = found.result.deaths_s.size();
  found.plan = simulation::plan_of(shape);
  found.planned_bytes = simulation::planned_bytes(shape, found.plan, std::max(1.0, found.steps()),
                                                  static_cast<double>(found.deaths));
  const auto windows = static_cast<size_t>(found.result.faults_s / window_s);
  found.commits_per_window.resize(std::max<size_t>(1, windows));
  for (const auto& step : found.result.commits) {
    const auto window = static_cast<size_t>(step.time_s / window_s);
    if (step.first && window < found.commits_per_window.size()) ++found.commits_per_window[window];
  }
  sort_passes(found);
  return found;
}

/// A stage that is lost as a whole, in a swarm that is otherwise left alone.
struct stage_loss_findings {
  double lost_s = 0;
  double again_s = -1;  ///< from the loss to the next commit; negative: never
  double allowed_s = 0;
  bool struck = false;
};

stage_loss_findings lose_a_stage(const mission_options& options) {
  auto what = experiments::mission_scenario(options.size);
  what.mean_life_s = {};
  what.faults_per_minute.clear();
  what.keep_state = {1, 1};
  const auto shape = simulation::shape_of(what);
  auto calm = shape;
  calm.mean_life_s = 0;
  stage_loss_findings found;
  // Copies are made by then, and lie where they are kept.
  found.lost_s = std::max(2 * shape.copy_every * simulation::plan_of(calm).step_s,
                          4 * shape.state_bytes / shape.worker_line);
  found.allowed_s = 2 * shape.state_bytes / shape.worker_line + 30;
  const auto at = [](double s) { return std::chrono::nanoseconds{static_cast<int64_t>(s * 1e9)}; };
  faults::planned_fault loss;
  loss.kind = faults::fault_class::stage_loss;
  loss.begins = at(found.lost_s);
  loss.ends = at(found.lost_s + 5);
  for (size_t i = 0; i < static_cast<size_t>(what.workers_per_stage.low); ++i)
    loss.subjects.push_back(i);
  what.fault_s = {found.lost_s + 6, found.lost_s + 6};
  auto how = options_of(options);
  how.faults = {loss};
  const auto result =
      simulation::simulate(what, static_cast<uint64_t>(options.seed), models(), how);
  found.struck = result.faults.count("stage_loss") != 0;
  for (const auto& step : result.commits) {
    if (step.time_s <= found.lost_s + 1) continue;
    found.again_s = step.time_s - found.lost_s;
    break;
  }
  return found;
}

std::string spelled(const std::vector<int64_t>& numbers) {
  std::string text;
  for (const auto n : numbers)
    text += (text.empty() ? "" : " ") + std::to_string(n);
  return text;
}

void print_plan(const findings& any) {
  const auto& p = any.plan;
  tools::table rows{{"possible, by arithmetic", "s"}};
  rows.add({"computing a step", tools::fixed(p.step.compute_s, 1)});
  rows.add({"a worker's line", tools::fixed(p.step.worker_line_s, 1)});
  rows.add({"a trainer's line", tools::fixed(p.step.trainer_line_s, 1)});
  rows.add({"one microbatch through and back", tools::fixed(p.step.fill_s, 1)});
  rows.add({"the all-reduce", tools::fixed(p.step.pass_s, 1)});
  rows.add({"a step: the longest of the first three, and the others", tools::fixed(p.step_s, 1)});
  rows.add({"joining", tools::fixed(p.join_s, 1)});
  std::fputs(rows.text().c_str(), stdout);
  std::printf("share of a peer's time in which it works: %.3f\n\n", p.useful_share);
}

void print(const std::vector<findings>& all) {
  print_plan(all.front());
  tools::table rows{{"seed", "commits per 30 min", "steps", "possible", "goodput", "deaths",
                     "sent TB", "planned TB", "sent / planned", "pass s", "with a death",
                     "s per death", "violations", "million messages", "wall s"}};
  for (const auto& f : all)
    rows.add({std::to_string(f.result.seed), spelled(f.commits_per_window),
              tools::fixed(f.commits_in_time(), 0), tools::fixed(f.possible_steps(), 1),
              tools::fixed(f.goodput(), 3), std::to_string(f.deaths),
              tools::fixed(f.sent_bytes() / 1e12, 2), tools::fixed(f.planned_bytes / 1e12, 2),
              tools::fixed(f.sent_beside_plan(), 2), tools::fixed(f.pass_s, 1),
              tools::fixed(f.struck_pass_s, 1), tools::fixed(f.death_delay_s, 1),
              std::to_string(f.result.violations.size()),
              tools::fixed(static_cast<double>(f.result.messages) / 1e6, 1),
              tools::fixed(f.wall_s, 1)});
  std::fputs(rows.text().c_str(), stdout);
  tools::table sent{{"seed", "activations TB", "sums TB", "states TB", "orders TB"}};
  for (const auto& f : all) {
    const auto tb = [&](cargo of) {
      return tools::fixed(static_cast<double>(f.result.sent_total(of)) / 1e12, 2);
    };
    sent.add({std::to_string(f.result.seed), tb(cargo::activations), tb(cargo::sums),
              tb(cargo::states), tb(cargo::orders)});
  }
  std::fputs(sent.text().c_str(), stdout);
  for (const auto& f : all)
    for (const auto& v : f.result.violations)
      std::printf("seed %llu: %s after %.0f s: %s\n",
                  static_cast<unsigned long long>(f.result.seed), to_string(v.rule), v.time_s,
                  v.what.c_str());
}

nlohmann::json to_json(const findings& f) {
  nlohmann::json violations = nlohmann::json::array();
  for (const auto& v : f.result.violations)
    violations.push_back({{"rule", to_string(v.rule)}, {"what", v.what}, {"time_s", v.time_s}});
  return {{"seed", f.result.seed},
          {"commits_per_30_min", f.commits_per_window},
          {"steps", f.commits_in_time()},
          {"possible_steps", f.possible_steps()},
          {"goodput", f.goodput()},
          {"deaths", f.deaths},
          {"sent_bytes", f.sent_bytes()},
          {"planned_bytes", f.planned_bytes},
          {"sent_activations_bytes", f.result.sent_total(cargo::activations)},
          {"sent_sums_bytes", f.result.sent_total(cargo::sums)},
          {"sent_states_bytes", f.result.sent_total(cargo::states)},
          {"pass_s", f.pass_s},
          {"pass_with_a_death_s", f.struck_pass_s},
          {"death_delay_s", f.death_delay_s},
          {"possible_step_s", f.plan.step_s},
          {"possible_pass_s", f.plan.step.pass_s},
          {"join_s", f.plan.join_s},
          {"violations", violations},
          {"events", f.result.events},
          {"messages", f.result.messages},
          {"hash", f.result.hash},
          {"wall_s", f.wall_s}};
}

std::vector<experiments::claim> judge(const std::vector<findings>& all) {
  using of = experiments::claim_of;
  const auto each = [&](auto&& holds) { return std::all_of(all.begin(), all.end(), holds); };
  const double detection_s = 1;
  return {{"no invariant is violated",
           each([](const auto& f) { return f.result.violations.empty(); }), of::any_size},
          {"steps are committed in every 30 minutes",
           each([](const auto& f) { return f.commits_in_every_window(); })},
          {"goodput is at least 0.95 of what is possible",
           each([](const auto& f) { return f.goodput() >= goodput_min; })},
          {"at most 1.1 times the planned bytes are sent",
           each([](const auto& f) { return f.sent_beside_plan() <= bytes_max; }), of::both_sizes},
          {"a death during an all-reduce delays its commit by its detection and 10 %",
           each([&](const auto& f) {
             return f.pass_s + f.struck_pass_s > 0 &&
                    f.death_delay_s <= detection_s + death_delay_max * f.calm_pass_s();
           })}};
}

int run(const mission_options& options, const tools::option_table& table) {
  if (!options.run.out.empty()) {
    if (auto failure = tools::prepare_folder(options.run.out)) {
      std::fprintf(stderr, "--out: %s\n", failure->c_str());
      return tools::exit_usage;
    }
  }
  std::vector<findings> all;
  for (int64_t i = 0; i < options.seeds; ++i) {
    all.push_back(simulate(options, static_cast<uint64_t>(options.seed + i)));
    std::fprintf(stderr, "seed %lld: %zu steps, %.1f s\n", static_cast<long long>(options.seed + i),
                 static_cast<size_t>(all.back().result.version), all.back().wall_s);
  }
  print(all);
  nlohmann::json results{{"runs", nlohmann::json::array()}};
  for (const auto& f : all)
    results["runs"].push_back(to_json(f));
  auto claims = judge(all);
  if (options.loses_a_stage) {
    const auto loss = lose_a_stage(options);
    std::printf("a stage is lost after %.0f s: the next commit came %.1f s later%s, allowed %.1f\n",
                loss.lost_s, loss.again_s, loss.again_s < 0 ? " (never)" : "", loss.allowed_s);
    results["stage_loss"] = {
        {"lost_s", loss.lost_s}, {"again_s", loss.again_s}, {"allowed_s", loss.allowed_s}};
    claims.push_back(
        {"a stage that is lost as a whole commits again within twice its state's bytes "
         "over the line, and 30 s",
         loss.struck && loss.again_s >= 0 && loss.again_s <= loss.allowed_s,
         experiments::claim_of::both_sizes});
  }
  return experiments::conclude("mission_size", table, options.run, results, claims);
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  mission_options options;
  tools::option_table table{"mission_size",
                            "Hundreds of simulated peers, hundreds of millions of parameters."};
  auto& size = options.size;
  table
      .add(size.fleet, "fleet",
           "mission: 400 equal peers of short lives; field: 330 unequal ones of long lives")
      .add(options.hours, "hours", "Virtual time under faults.", "h", 1, 24)
      .add(size.stages, "stages", "Of the pipeline.", "stages", 1, 8)
      .add(size.peers_per_stage, "peers-per-stage", "Of each stage; 0: as the fleet has them.",
           "peers", 0, 256)
      .add(size.trainers, "trainers", "Which relay; 0: as the fleet has them.", "peers", 0, 32)
      .add(size.microbatches, "microbatches", "Of a step.", "microbatches", 1, 4096)
      .add(options.parameters_millions, "parameters-millions", "Of each stage.", "millions", 1,
           100'000)
      .add(options.mean_life_s, "mean-life-s",
           "Of a peer; 0: nobody dies or leaves; -1: as the fleet has it.", "s", -1, 1'000'000'000)
      .add(options.seeds, "seeds", "Runs.", "runs", 1, 1'000)
      .add(options.seed, "seed", "Of the first run.", "", 0, INT64_MAX)
      .add(options.messages_millions, "messages-millions",
           "A run that needs more actor messages than this is given up.", "millions", 1, 100'000)
      .add(options.loses_a_stage, "stage-loss", "Also lose a stage as a whole.")
      .add(options.verbose, "verbose", "Prints everything that happens.")
      .add(options.run.out, "out", "Folder for the results; empty: none are written.", "folder")
      .add(options.run.json, "json", "Print the results as one line of JSON at the end.")
      .add(options.run.check, "check", "Fail when a claim does not hold.")
      .add(options.run.smoke, "smoke", "The small size of the test suite.")
      .add_preset("smoke", {"--hours=1", "--stages=2", "--peers-per-stage=4", "--trainers=2",
                            "--microbatches=32", "--parameters-millions=10", "--seeds=1"})
      .add_check([&]() -> std::optional<std::string> {
        if (size.fleet == "mission" || size.fleet == "field") return std::nullopt;
        return "--fleet is mission or field.";
      });
  return tools::run_main(argc, argv, table, [&] {
    size.hours = static_cast<double>(options.hours);
    size.mean_life_s = static_cast<double>(options.mean_life_s);
    size.parameters = static_cast<double>(options.parameters_millions) * 1e6;
    return run(options, table);
  });
}
