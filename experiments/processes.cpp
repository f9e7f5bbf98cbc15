// A swarm of operating system processes under kills: `swarm up` with 3 stages x 2 peers and 2
// trainers, any of them killed again and again, must neither stop nor lose a step, and end with the
// weights of a single process.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "experiments/program.hpp"
#include "experiments/stopwatch.hpp"
#include "experiments/up_run.hpp"
#include "tools/report/table.hpp"
#include "tools/report/user_path.hpp"
#include "tools/run/training_setup.hpp"

namespace {

using namespace swarm;
using namespace std::chrono_literals;

/// Longer than this without a step is a stop: it is twice what a process is away.
constexpr double pause_s_max = 15.0;
/// The run under kills lasts a little longer than asked.
constexpr double margin = 1.05;

struct process_options {
  tools::run_options run;
  int64_t trainers = 2;
  std::chrono::milliseconds kill_every = 10s;
  std::chrono::milliseconds restart_after = 5s;
  std::chrono::seconds duration = 600s;
  std::string dir;
  bool verbose = false;
};

std::vector<std::string> arguments(const process_options& options, const std::string& folder) {
  const auto& run = options.run;
  const auto number = [](int64_t value) { return std::to_string(value); };
  std::vector<std::string> result{
      "--dir=" + folder, "--data=" + run.data, "--layers=" + number(run.model.layers),
      "--heads=" + number(run.model.heads), "--width=" + number(run.model.width),
      "--context=" + number(run.model.context), "--rows=" + number(run.rows),
      "--microbatches=" + number(run.microbatches), "--steps=" + number(run.steps),
      "--seed=" + number(run.seed), "--stages=" + number(run.stages),
      "--workers=" + number(run.workers), "--in-flight=" + number(run.in_flight),
      "--trainers=" + number(options.trainers), "--line-every=1",
      // Two deaths in one stage at once are then a pause, no end.
      "--keep-state"};
  if (run.reproducible) result.emplace_back("--reproducible");
  const auto& optimizer = run.optimizer;
  const auto real = [&](const char* flag, double value) {
    result.push_back(flag + tools::to_config_text(value));
  };
  real("--lr=", optimizer.learning_rate);
  real("--lr-min=", optimizer.learning_rate_min);
  real("--beta1=", optimizer.beta1);
  real("--beta2=", optimizer.beta2);
  real("--epsilon=", optimizer.epsilon);
  real("--weight-decay=", optimizer.weight_decay);
  real("--clip=", optimizer.clip_norm);
  result.push_back("--warmup=" + number(optimizer.warmup_steps));
  result.push_back("--decay-steps=" + number(optimizer.decay_steps));
  return result;
}

/// The hash of one process' weights after the same steps.
std::string reference_hash(const tools::run_options& run, const tensors::corpus& data) {
  const tools::training_setup setup{run, data};
  auto trainer = setup.reference(1);
  for (int64_t i = 0; i < run.steps; ++i)
    trainer.step();
  return trainer.weights_hash();
}

bool all_equal(const std::vector<std::string>& hashes, const std::string& expected) {
  return !hashes.empty() && std::all_of(hashes.begin(), hashes.end(),
                                        [&](const std::string& h) { return h == expected; });
}

std::vector<experiments::claim> claims_of(const process_options& options,
                                          const experiments::up_outcome& hurt, bool equal) {
  using of = experiments::claim_of;
  std::vector<experiments::claim> claims{
      {"the run reaches its last step", hurt.finished, of::any_size},
      {"no step is taken back", hurt.taken_back == 0, of::any_size},
      {"never more than 15 s without a step", hurt.longest_pause_s <= pause_s_max, of::both_sizes},
      {"processes were killed", hurt.kills > 0, of::both_sizes}};
  if (options.run.reproducible)
    claims.push_back({"every trainer ends with the single process' weights", equal, of::any_size});
  return claims;
}

int run(process_options options, const tools::option_table& table, const tensors::corpus& data) {
  namespace fs = std::filesystem;
  const auto base = options.dir.empty() ? fs::temp_directory_path() / "swarm-processes"
                                        : fs::path{tools::user_path(options.dir)};
  fs::remove_all(base / "calm");
  fs::remove_all(base / "hurt");
  // How many steps fill the time, measured without faults.
  auto calm_options = options;
  calm_options.run.steps = options.run.smoke ? 100 : 200;
  const auto calm =
      experiments::run_up(arguments(calm_options, (base / "calm").string()), options.verbose);
  if (!calm.finished) {
    std::fprintf(stderr, "processes: the run without faults did not finish: %s\n",
                 calm.complaint.c_str());
    return tools::exit_failure;
  }
  const double calm_rate = static_cast<double>(calm.printed - 1) / std::max(calm.seconds, 1e-9);
  const auto seconds = static_cast<double>(options.duration.count());
  options.run.steps = static_cast<int64_t>(calm_rate * seconds * margin) + 1;
  options.run.optimizer.decay_steps =
      std::max(options.run.steps, options.run.optimizer.warmup_steps);
  std::printf("without faults: %.2f steps/s; under kills: %lld steps\n", calm_rate,
              static_cast<long long>(options.run.steps));
  auto given = arguments(options, (base / "hurt").string());
  given.push_back("--kill-every=" + std::to_string(options.kill_every.count()) + "ms");
  given.push_back("--restart-after=" + std::to_string(options.restart_after.count()) + "ms");
  const auto hurt = experiments::run_up(given, options.verbose);
  const double rate = static_cast<double>(hurt.last_step) / std::max(hurt.seconds, 1e-9);
  std::string expected;
  if (options.run.reproducible) expected = reference_hash(options.run, data);
  const bool equal = all_equal(hurt.hashes, expected);
  tools::table shown{{"", "without faults", "under kills"}};
  shown.add({"steps", std::to_string(calm.printed), std::to_string(hurt.last_step + 1)});
  shown.add({"seconds", tools::fixed(calm.seconds, 1), tools::fixed(hurt.seconds, 1)});
  shown.add({"steps/s", tools::fixed(calm_rate, 2), tools::fixed(rate, 2)});
  shown.add({"processes killed", "0", std::to_string(hurt.kills)});
  shown.add({"of these the leader", "0", std::to_string(hurt.kills_of_leaders)});
  shown.add({"longest pause, s", tools::fixed(calm.longest_pause_s, 2),
             tools::fixed(hurt.longest_pause_s, 2)});
  shown.add({"steps taken back", std::to_string(calm.taken_back), std::to_string(hurt.taken_back)});
  shown.add({"validation loss", tools::fixed(calm.validation_loss, 4),
             tools::fixed(hurt.validation_loss, 4)});
  std::printf("%s", shown.text().c_str());
  if (options.run.reproducible)
    std::printf("weights: %s, one process: %s\n",
                hurt.hashes.empty() ? "none" : hurt.hashes[0].c_str(), expected.c_str());
  return experiments::conclude("processes", table, options.run,
                               {{"calm_steps_per_s", calm_rate},
                                {"steps_per_s", rate},
                                {"steps", hurt.last_step + 1},
                                {"kills", hurt.kills},
                                {"kills_of_leaders", hurt.kills_of_leaders},
                                {"longest_pause_s", hurt.longest_pause_s},
                                {"taken_back", hurt.taken_back},
                                {"hashes", hurt.hashes},
                                {"expected_hash", expected}},
                               claims_of(options, hurt, equal));
}

}  // namespace

int main(int argc, char** argv) {
  process_options options;
  options.run.reproducible = true;
  options.run.scope = tools::run_scope::processes;
  tools::option_table table{"processes",
                            "A swarm of processes under kills: never stops, loses nothing."};
  tools::add_run_options(table, options.run);
  table.add(options.trainers, "trainers", "Trainers.", "processes", 1, 64)
      .add(options.kill_every, "kill-every", "A random process is killed this often.", 100ms, 1h)
      .add(options.restart_after, "restart-after", "And started again after this.", 0ms, 1h)
      .add(options.duration, "duration", "How long it runs under kills, about.", 1s, 24h)
      .add(options.dir, "dir", "Folder of the runs; empty: one of the system's for such.", "path")
      .add(options.verbose, "verbose", "Prints what the processes print.");
  table.add_preset("smoke",
                   {"--layers=3", "--width=32", "--heads=2", "--context=16", "--microbatches=4",
                    "--duration=12s", "--kill-every=4s", "--restart-after=500ms"});
  return experiments::experiment_main(argc, argv, table, options.run, [&](tensors::corpus data) {
    return run(options, table, data);
  });
}
