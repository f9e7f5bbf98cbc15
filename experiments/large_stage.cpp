// Stages of a hundred million parameters over 200 Mb/s, as real processes: how long a step takes
// beside computing and the line, what a peer has in memory, and whether newcomers get in. Every
// process has a line of its own, capped each way, as if it were a host.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "experiments/large_stage_findings.hpp"
#include "experiments/live_run.hpp"
#include "experiments/program.hpp"
#include "experiments/stopwatch.hpp"
#include "tensors/model/model_config.hpp"
#include "tools/report/user_path.hpp"
#include "tools/run/training_setup.hpp"

namespace {

using namespace swarm;
namespace fs = std::filesystem;
using process = experiments::live_run::process;

/// Steps until everybody computes as fast as ever.
constexpr int64_t settle_steps = 2;
/// Of the separate run, the first one not counted.
constexpr int64_t compute_steps = 3;
struct large_options {
  tools::run_options run;
  int64_t bytes_per_s = 25'000'000;
  int64_t measured_steps = 10;
  std::string parts = "steps,join,killed,three";
  std::string kill_at = "10,50,90";
  std::string dir;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> result;
  std::string part;
  for (const char c : text + ",") {
    if (c != ',') {
      part += c;
    } else if (!part.empty()) {
      result.push_back(std::exchange(part, {}));
    }
  }
  return result;
}

bool has_part(const large_options& options, const std::string& part) {
  const auto parts = split(options.parts);
  return std::find(parts.begin(), parts.end(), part) != parts.end();
}

// -- what arithmetic says -------------------------------------------------------------------------

experiments::large_size size_of(const large_options& options, const tools::training_setup& setup) {
  const auto& run = options.run;
  experiments::large_size result;
  for (const auto& span : setup.spans()) {
    const auto elements = tensors::flat_size(tensors::parameter_layout(run.model, span));
    result.parameters = std::max(result.parameters, static_cast<double>(elements));
  }
  result.line = static_cast<double>(options.bytes_per_s);
  const auto n = static_cast<double>(run.workers);
  const auto microbatches = static_cast<double>(run.microbatches);
  const double boundary_bytes = experiments::value_bytes *
                                static_cast<double>(run.rows * run.model.context * run.model.width);
  // A worker hands on as much as it takes in: half of it goes to the trainer, half comes from it.
  const double reduced_bytes = 2 * (n - 1) / n * result.result_bytes();
  result.worker_s = (reduced_bytes + 2 * boundary_bytes * microbatches / n) / result.line;
  result.trainer_s =
      2 * static_cast<double>(run.stages - 1) * boundary_bytes * microbatches / result.line;
  return result;
}

/// Seconds of one step of the whole model, were it spread over all cores: of one process on one
/// core, since its threads wait for each other whenever another process takes one of theirs.
double measure_compute(const tools::training_setup& setup) {
  auto trainer = setup.reference(1);
  trainer.step();
  const experiments::stopwatch watch;
  for (int64_t i = 0; i < compute_steps; ++i)
    trainer.step();
  return watch.seconds() / static_cast<double>(compute_steps) /
         static_cast<double>(tools::usable_cores());
}

// -- what the processes do ------------------------------------------------------------------------

/// Seconds between the steps after `after`, by the trainer's telemetry.
std::vector<double> durations(const std::vector<experiments::told_event>& told, int64_t after) {
  std::vector<double> result;
  std::optional<double> last;
  for (const auto& e : told) {
    if (e.name() != "step") continue;
    if (last && e.fields.value("step", int64_t{0}) > after) result.push_back(e.t - *last);
    last = e.t;
  }
  return result;
}

class part {
 public:
  part(const large_options& options, const tensors::corpus& data,
       experiments::large_findings& found, int64_t joiners, const std::string& name)
      : options_(options),
        found_(found),
        dir_(folder(options) / name),
        run_((fs::remove_all(dir_), fs::create_directories(dir_), live_options(options, joiners)),
             dir_) {
    const std::vector<int64_t> peers(static_cast<size_t>(options.run.stages), options.run.workers);
    if (auto why = run_.begin(data, peers)) {
      fail(*why);
      return;
    }
    serving_ = run_.first_peers()[0];
    wait_for_steps(settle_steps);
  }

  static fs::path folder(const large_options& options) {
    return (options.dir.empty() ? fs::temp_directory_path() / "swarm-large-stage"
                                : fs::path{tools::user_path(options.dir)}) /
           "large-stage";
  }

  void measure_steps() {
    if (failed_ || !wait_for_steps(options_.measured_steps)) return;
    experiments::step_findings steps;
    const auto last = run_.last_step();
    std::vector<experiments::told_event> told;
    // Telemetry is written by and by.
    const auto written = [&] {
      told = run_.told_by(run_.trainer());
      return durations(told, last - options_.measured_steps).size() >=
             static_cast<size_t>(options_.measured_steps);
    };
    if (!run_.until(std::chrono::seconds{30}, written)) return fail(run_.failure());
    steps.seconds = durations(told, last - options_.measured_steps);
    steps.seconds.resize(static_cast<size_t>(options_.measured_steps));
    steps.first_s = first_of(told, "step")->fields.value("seconds", 0.0);
    for (const auto& e : told)
      if (e.name() == "step") steps.rounds = std::max(steps.rounds, e.fields.value("rounds", 1.0));
    for (const auto& stage : run_.first_peers())
      for (const auto& peer : stage)
        if (first_of(run_.told_by(peer), "moves") != nullptr) ++steps.moves;
    look_at_memory();
    found_.steps = steps;
  }

  /// `count` at once; with `kill_at` a donor dies when so much of the state has come.
  void join(const std::string& what, int64_t count, std::optional<double> kill_at) {
    if (failed_) return;
    const auto before = run_.last_step();
    const double calm_s = experiments::mean(durations(run_.told_by(run_.trainer()), before - 1));
    std::vector<process> joiners;
    for (int64_t i = 0; i < count; ++i)
      joiners.push_back(run_.start_peer(0));
    experiments::join_findings one;
    one.what = what;
    const double planned_s = found_.what.join_s(calm_s);
    if (kill_at && !kill_donor(joiners[0], *kill_at, planned_s, one)) return;
    const auto serves = [&](process p) { return first_of(run_.told_by(p), "serving") != nullptr; };
    const auto all = [&] { return std::all_of(joiners.begin(), joiners.end(), serves); };
    const auto limit = experiments::patience_for(static_cast<double>(count) * planned_s);
    const bool all_in = run_.until(limit, all);
    // What was given in steps that the newcomer slowed down counts as it was.
    one.step_s = experiments::mean(durations(run_.told_by(run_.trainer()), before + 1));
    if (one.step_s == 0) one.step_s = calm_s;
    look_at_memory();
    for (size_t i = 0; i < joiners.size(); ++i) {
      auto mine = one;
      if (joiners.size() > 1) mine.what += " (" + std::to_string(i + 1) + ")";
      mine.planned_s = found_.what.join_s(one.step_s);
      mine.allowed_s = found_.what.join_allowed_s(one.step_s);
      measure(joiners[i], mine);
      found_.joins.push_back(mine);
      serving_.push_back(joiners[i]);
    }
    if (!all_in) fail(what + ": " + run_.failure());
  }

 private:
  static experiments::live_run_options live_options(const large_options& options, int64_t joiners) {
    experiments::live_run_options result;
    result.name = "large-stage";
    result.run = options.run;
    result.tokens = 1 + options.run.stages * options.run.workers + joiners;
    result.bytes_per_s = options.bytes_per_s;
    // Copies of other stages are another load, on line and memory.
    result.trainer_arguments = {"--copy-every=0"};
    result.peer_arguments = {"--backup-memory=1"};
    return result;
  }

  void fail(const std::string& why) {
    failed_ = true;
    found_.failures.push_back(why);
    std::fprintf(stderr, "large_stage: %s\n", why.c_str());
  }

  bool wait_for_steps(int64_t count) {
    const auto until = run_.last_step() + count;
    const double step_s =
        found_.compute_s * static_cast<double>(options_.run.workers) + found_.what.line_s();
    const auto limit = experiments::patience_for(static_cast<double>(count) * step_s);
    if (run_.until(limit, [&] { return run_.last_step() >= until; })) return true;
    fail(run_.failure());
    return false;
  }

  /// Of the state, by what the newcomer said last and how fast it said to be.
  double share_of(process joiner, double planned_s) {
    const auto told = run_.told_by(joiner);
    const auto* fetching = first_of(told, "fetching");
    if (fetching == nullptr) return 0;
    if (!fetching_seen_) fetching_seen_.emplace();
    double share = fetching_seen_->seconds() / planned_s;
    for (const auto& e : told)
      if (e.name() == "joining" && e.fields.value("total_bytes", 0.0) > 0)
        share = std::max(share, e.fields.value("bytes", 0.0) / e.fields.value("total_bytes", 1.0));
    return share;
  }

  bool kill_donor(process joiner, double share, double planned_s, experiments::join_findings& one) {
    fetching_seen_.reset();
    const auto reached = [&] { return share_of(joiner, planned_s) >= share; };
    if (!run_.until(experiments::patience_for(planned_s), reached)) {
      fail(one.what + ": " + run_.failure());
      return false;
    }
    const bool in = first_of(run_.told_by(joiner), "serving") != nullptr;
    one.killed_at = in ? 1 : std::min(share_of(joiner, planned_s), 0.99);
    look_at_memory();
    run_.kill(serving_.front());
    serving_.erase(serving_.begin());
    return true;
  }

  void measure(process joiner, experiments::join_findings& one) {
    const auto told = run_.told_by(joiner);
    const auto* fetching = first_of(told, "fetching");
    const auto* serving = first_of(told, "serving");
    if (fetching != nullptr && serving != nullptr) one.joined_s = serving->t - fetching->t;
    for (const auto& e : told)
      if (e.name() == "fetched") one.bytes = e.fields.value("bytes", 0.0);
    one.peak_bytes = static_cast<double>(run_.peak_bytes(joiner));
    found_.peaks.push_back(one.peak_bytes);
  }

  void look_at_memory() {
    for (const auto& stage : run_.first_peers())
      for (const auto& peer : stage)
        if (const auto bytes = run_.peak_bytes(peer))
          found_.peaks.push_back(static_cast<double>(bytes));
  }

  const large_options& options_;
  experiments::large_findings& found_;
  const fs::path dir_;
  experiments::live_run run_;
  std::vector<process> serving_;  ///< of stage 0
  std::optional<experiments::stopwatch> fetching_seen_;
  bool failed_ = false;
};

int run(const large_options& options, const tools::option_table& table,
        const tensors::corpus& data) {
  const tools::training_setup setup{options.run, data};
  experiments::large_findings found;
  found.what = size_of(options, setup);
  found.compute_s = measure_compute(setup);
  std::fprintf(stderr, "large_stage: %.1f s computing and %.1f s line per step\n", found.compute_s,
               found.what.line_s());
  if (has_part(options, "steps")) part{options, data, found, 0, "steps"}.measure_steps();
  if (has_part(options, "join")) part{options, data, found, 1, "join"}.join("one", 1, std::nullopt);
  if (has_part(options, "killed")) {
    const auto shares = split(options.kill_at);
    part killed{options, data, found, static_cast<int64_t>(shares.size()), "killed"};
    for (const auto& percent : shares)
      killed.join("donor killed at " + percent + " %", 1, std::stod(percent) / 100);
  }
  if (has_part(options, "three"))
    part{options, data, found, 3, "three"}.join("three at once", 3, std::nullopt);
  experiments::print(found);
  return experiments::conclude("large_stage", table, options.run, experiments::to_json(found),
                               experiments::judge(found));
}

std::optional<std::string> check_lists(const large_options& options) {
  const std::set<std::string> known{"steps", "join", "killed", "three"};
  for (const auto& name : split(options.parts))
    if (known.count(name) == 0) return "--parts: there are steps, join, killed and three.";
  for (const auto& percent : split(options.kill_at)) {
    const bool digits = percent.find_first_not_of("0123456789") == std::string::npos;
    if (!digits || percent.size() > 2 || std::stoi(percent) == 0)
      return "--kill-at takes whole percents from 1 to 99, separated by commas.";
  }
  return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  large_options options;
  auto& run_with = options.run;
  run_with.scope = tools::run_scope::processes;
  // 113 million parameters in each stage.
  run_with.model.width = 1536;
  run_with.model.layers = 8;
  run_with.model.heads = 12;
  run_with.model.context = 64;
  run_with.stages = 2;
  run_with.workers = 2;
  run_with.rows = 1;
  run_with.microbatches = 4;
  run_with.steps = 1'000'000;
  run_with.optimizer.decay_steps = run_with.steps;
  tools::option_table table{"large_stage",
                            "Large stages on slow lines: seconds per step, memory, newcomers."};
  tools::add_run_options(table, run_with);
  table
      .add(options.bytes_per_s, "bytes-per-s",
           "Most that each process sends over all its connections together, and as much that it "
           "receives.",
           "bytes/s", 1, INT64_MAX)
      .add(options.measured_steps, "measured-steps", "Of the part steps.", "steps", 1, 1'000'000)
      .add(options.parts, "parts",
           "What is done, separated by commas: steps (how long they take), join (a further peer), "
           "killed (its donor dies), three (at once).")
      .add(options.kill_at, "kill-at",
           "When the donor dies: how much of the state has come by then.", "% separated by commas")
      .add(options.dir, "dir", "Folder of the runs; empty: one of the system's for such.", "path")
      .add_check([&] { return check_lists(options); });
  // Steps are long beside a shard's time on the line, as at the real size: here it is the
  // activations that take it.
  table.add_preset("smoke", {"--layers=4", "--width=64", "--heads=2", "--rows=24",
                             "--bytes-per-s=2000000", "--measured-steps=3", "--kill-at=50"});
  return experiments::experiment_main(
      argc, argv, table, run_with, [&](tensors::corpus data) { return run(options, table, data); });
}
