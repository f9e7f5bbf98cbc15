#include "experiments/planner_runs.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "experiments/stopwatch.hpp"
#include "experiments/up_run.hpp"
#include "tensors/engine/flat.hpp"
#include "tools/run/training_setup.hpp"

namespace swarm::experiments {

namespace {

constexpr int64_t few_microbatches = 1;
constexpr int64_t many_microbatches = 8;
constexpr double steps_max = 1e6;
constexpr int replays = 5;

double own_cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct timing {
  double step_s = 0;
  double hash_s = 0;
};

timing time_steps(tools::run_options run, const tensors::corpus& data, int64_t microbatches,
                  double seconds) {
  run.microbatches = microbatches;
  const tools::training_setup setup{run, data};
  auto trainer = setup.reference(1);
  trainer.step();
  std::vector<double> steps;
  std::vector<double> hashes;
  const stopwatch watch;
  while (steps.empty() || watch.seconds() < seconds) {
    double began = own_cpu_seconds();
    trainer.step();
    steps.push_back(own_cpu_seconds() - began);
    // What a worker does at each commit.
    const auto flat = trainer.parameters();
    began = own_cpu_seconds();
    tensors::quick_hash(flat);
    hashes.push_back(own_cpu_seconds() - began);
  }
  return {median(std::move(steps)), median(std::move(hashes))};
}

planner::workload workload_of(const tools::run_options& run, int64_t trainers) {
  planner::workload work;
  work.model = run.model;
  work.rows = run.rows;
  work.microbatches = run.microbatches;
  work.in_flight = run.in_flight;
  work.trainers = trainers;
  work.reproducible = run.reproducible;
  return work;
}

double predict(const tools::run_options& run, int64_t trainers, const calibration& core,
               double cores) {
  planner::question asked;
  asked.work = workload_of(run, trainers);
  planner::peer_kind kind;
  kind.name = "process";
  kind.count = run.stages * run.workers;
  kind.flop_per_s = core.flop_per_s;
  kind.memory_bytes = 1e12;
  asked.peers = {kind};
  asked.cores = cores;
  asked.step_seconds_per_parameter = core.step_seconds_per_parameter;
  const auto loads = planner::loads_of(asked.work, run.stages);
  const planner::placement where(loads.size(), {run.workers});
  const auto step = planner::replay_mean(planner::setup_of(asked, loads, where), replays);
  return asked.work.tokens_per_step() / step.step_s;
}

/// Seconds of all cores since the machine's start.
struct core_seconds {
  double idle = 0;
  double children = 0;  ///< of the processes that we started and that have ended
};

core_seconds read_core_seconds() {
  core_seconds result;
  std::ifstream file{"/proc/stat"};
  std::string name;
  double user = 0;
  double nice = 0;
  double system = 0;
  double idle = 0;
  double waiting = 0;
  file >> name >> user >> nice >> system >> idle >> waiting;
  result.idle = (idle + waiting) / static_cast<double>(sysconf(_SC_CLK_TCK));
  rusage used{};
  getrusage(RUSAGE_CHILDREN, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  result.children = seconds(used.ru_utime) + seconds(used.ru_stime);
  return result;
}

std::vector<std::string> arguments(const tools::run_options& run, int64_t trainers, int64_t steps,
                                   const std::string& folder) {
  const auto number = [](const char* flag, int64_t value) {
    return std::string{flag} + "=" + std::to_string(value);
  };
  return {"--dir=" + folder, "--data=" + run.data, number("--layers", run.model.layers),
          number("--heads", run.model.heads), number("--width", run.model.width),
          number("--context", run.model.context), number("--rows", run.rows),
          number("--microbatches", run.microbatches), number("--steps", steps),
          number("--stages", run.stages), number("--workers", run.workers),
          number("--in-flight", run.in_flight), number("--trainers", trainers),
          // Not in the plan.
          "--keep-copies=false", "--line-every=1"};
}

}  // namespace

calibration calibrate(const tools::run_options& run, const tensors::corpus& data, double seconds) {
  const auto few = time_steps(run, data, few_microbatches, seconds / 2);
  const auto many = time_steps(run, data, many_microbatches, seconds / 2);
  const double microbatch_s = (many.step_s - few.step_s) / (many_microbatches - few_microbatches);
  const auto whole = planner::loads_of(workload_of(run, 1), 1).front();
  calibration result;
  result.flop_per_s = whole.flop() / microbatch_s;
  // A worker also hashes its sum and its weights.
  const double step_s = std::max(0.0, few.step_s - microbatch_s) + 2 * few.hash_s;
  result.step_seconds_per_parameter = step_s / whole.parameters;
  return result;
}

process_comparison compare_processes(const std::string& name, const tools::run_options& run,
                                     int64_t trainers, const calibration& core, double seconds,
                                     const std::string& folder, bool verbose) {
  process_comparison result;
  result.name = name;
  const auto cores = static_cast<double>(tools::usable_cores());
  result.quiet_tokens_per_s = predict(run, trainers, core, cores);
  const double tokens = workload_of(run, trainers).tokens_per_step();
  const double steps = std::clamp(seconds * result.quiet_tokens_per_s / tokens, 5.0, steps_max);
  std::filesystem::remove_all(folder);
  const auto before = read_core_seconds();
  const stopwatch watch;
  const auto outcome =
      run_up(arguments(run, trainers, static_cast<int64_t>(steps), folder), verbose);
  const auto after = read_core_seconds();
  result.finished = outcome.finished;
  result.complaint = outcome.complaint;
  if (outcome.seconds <= 0) return result;
  result.measured_tokens_per_s =
      static_cast<double>(outcome.printed - 1) * tokens / outcome.seconds;
  result.cores = (after.idle - before.idle + after.children - before.children) / watch.seconds();
  result.predicted_tokens_per_s = predict(run, trainers, core, std::min(cores, result.cores));
  return result;
}

}  // namespace swarm::experiments
