// Does a swarm train the same model as one process? Bit for bit with one worker and in
// reproducible mode whatever the faults, to rounding otherwise.

#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>

#include "experiments/program.hpp"
#include "experiments/swarm_session.hpp"
#include "tensors/engine/flat.hpp"
#include "tools/report/table.hpp"
#include "tools/run/training_setup.hpp"

namespace {

using namespace swarm;

constexpr double float_difference_max = 1e-5;

struct equivalence_options {
  tools::run_options run;
  int64_t runs = 10;
};

struct outcome {
  std::string hash;
  double difference = 0;
  int64_t reworked = 0;
  std::string failure;
};

struct fault_plan {
  uint64_t seed = 0;
  int64_t kills = 0;
};

/// Trains a swarm and compares its weights with `expected`.
outcome train_swarm(const tools::run_options& run, const tensors::corpus& data, fault_plan faults,
                    const tensors::host_tensor& expected) {
  const tools::training_setup setup{run, data};
  auto embedded = setup.swarm();
  embedded.routing_seed = faults.seed;
  embedded.restart_delay = std::chrono::milliseconds(20);
  experiments::swarm_session session{std::move(embedded)};
  outcome result;
  std::mt19937_64 random{faults.seed};
  const auto handler = [&](const telemetry::event& event) {
    if (event.name == "step")
      result.reworked += static_cast<int64_t>(experiments::number(event, "reworked").value_or(0));
  };
  for (int64_t leg = 0; leg <= faults.kills; ++leg) {
    if (leg > 0) {
      // Never the same stage twice in a row: its other worker must be back before it is alone.
      const auto stage = stage_id{static_cast<int32_t>((faults.seed + static_cast<uint64_t>(leg)) %
                                                       static_cast<uint64_t>(run.stages))};
      session.swarm().kill_worker(stage, random() % static_cast<uint64_t>(run.workers),
                                  std::chrono::milliseconds(random() % 300));
    }
    if (auto failure = session.run_until(run.steps * (leg + 1) / (faults.kills + 1), handler)) {
      result.failure = *failure;
      return result;
    }
  }
  auto stages = session.swarm().parameters(run.steps);
  if (!stages) {
    result.failure = session.render(stages.error());
    return result;
  }
  const auto flat = setup.combine(*stages);
  result.hash = tensors::weights_hash(flat);
  result.difference = tensors::relative_difference(flat, expected);
  return result;
}

class report {
 public:
  report()
      : rows_({"mode", "stages", "workers", "kills", "seed", "redone", "difference", "weights"}) {}

  void add(const tools::run_options& run, fault_plan faults, const outcome& result,
           const std::string& expected) {
    char difference[32];
    std::snprintf(difference, sizeof(difference), "%.1e", result.difference);
    const bool same = result.hash == expected;
    rows_.add({run.reproducible ? "reproducible" : "float", std::to_string(run.stages),
               std::to_string(run.workers), std::to_string(faults.kills),
               std::to_string(faults.seed), std::to_string(result.reworked),
               result.failure.empty() ? difference : result.failure,
               same ? "bit-equal" : "differ"});
    json_.push_back({{"reproducible", run.reproducible},
                     {"stages", run.stages},
                     {"workers", run.workers},
                     {"kills", faults.kills},
                     {"routing_seed", faults.seed},
                     {"gradients_computed_again", result.reworked},
                     {"difference", result.difference},
                     {"bit_equal", same}});
  }

  const tools::table& rows() const { return rows_; }
  const nlohmann::json& json() const { return json_; }

 private:
  tools::table rows_;
  nlohmann::json json_ = nlohmann::json::array();
};

struct control_run {
  tensors::host_tensor flat;
  std::string hash;
};

/// One process, one thread: what every swarm is compared with.
control_run train_control(const tools::run_options& run, const tensors::corpus& data) {
  auto trainer = tools::training_setup{run, data}.reference(1);
  for (int64_t step = 0; step < run.steps; ++step)
    trainer.step();
  return {trainer.parameters(), trainer.weights_hash()};
}

int run(const equivalence_options& options, const tools::option_table& table,
        const tensors::corpus& data) {
  report shown;
  std::vector<experiments::claim> claims;
  auto floating = options.run;
  floating.reproducible = false;
  const auto control = train_control(floating, data);

  auto single = floating;
  single.stages = single.workers = 1;
  const auto one = train_swarm(single, data, {}, control.flat);
  shown.add(single, {}, one, control.hash);
  claims.push_back({"one stage and one worker are bit-equal to one process",
                    one.hash == control.hash, experiments::claim_of::any_size});

  const auto many = train_swarm(floating, data, {}, control.flat);
  shown.add(floating, {}, many, control.hash);
  claims.push_back({"in float mode the swarm's weights are within 1e-5 of one process'",
                    many.failure.empty() && many.difference <= float_difference_max,
                    experiments::claim_of::both_sizes});

  auto exact = options.run;
  exact.reproducible = true;
  const auto exact_control = train_control(exact, data);
  bool all_equal = true;
  double largest = many.difference;
  for (int64_t i = 0; i < options.runs; ++i) {
    exact.workers = 1 + i % 3;
    // With one worker a kill would empty its stage.
    const fault_plan faults{static_cast<uint64_t>(options.run.seed + i),
                            exact.workers > 1 ? int64_t{2} : int64_t{0}};
    const auto result = train_swarm(exact, data, faults, exact_control.flat);
    shown.add(exact, faults, result, exact_control.hash);
    all_equal = all_equal && result.hash == exact_control.hash;
    largest = std::max(largest, result.difference);
  }
  claims.push_back({"in reproducible mode every run has the one-process hash", all_equal,
                    experiments::claim_of::any_size});
  std::fputs(shown.rows().text().c_str(), stdout);
  std::printf("one process: weights %s in float mode, %s in reproducible mode\n",
              control.hash.c_str(), exact_control.hash.c_str());
  std::printf("largest relative difference %.2e over %lld steps\n", largest,
              static_cast<long long>(options.run.steps));
  return experiments::conclude("equivalence", table, options.run,
                               {{"runs", shown.json()},
                                {"weights_hash", exact_control.hash},
                                {"largest_difference", largest}},
                               claims);
}

}  // namespace

int main(int argc, char** argv) {
  equivalence_options options;
  options.run.steps = 50;
  // What it shows holds at any kernel level; its hash is the one of that level.
  options.run.reproducible = true;
  options.run.check = true;
  tools::option_table table{
      "equivalence",
      "Compares swarms of several shapes, with and without kills, with one process."};
  tools::add_run_options(table, options.run);
  table.add(options.runs, "runs", "Runs in reproducible mode.", "runs", 1, 1000);
  table.add_preset("smoke", {"--steps=6", "--layers=3", "--width=32", "--heads=2", "--context=16",
                             "--microbatches=4", "--runs=3"});
  return experiments::experiment_main(
      argc, argv, table, options.run,
      [&](const tensors::corpus& data) { return run(options, table, data); });
}
