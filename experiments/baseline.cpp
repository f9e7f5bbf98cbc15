// Plain LibTorch training of the model in one process, without actors: the control that every
// other experiment is compared with.

#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "actors/training/divergence.hpp"
#include "experiments/program.hpp"
#include "experiments/stopwatch.hpp"
#include "tensors/engine/thread_layout.hpp"
#include "tools/run/training_setup.hpp"

namespace {

using namespace swarm;

struct baseline_options {
  tools::run_options run;
  int64_t threads = 0;
  int64_t log_every = 10;
};

/// A step that cannot be made leaves the weights as they are, so it would fail again.
std::optional<tensors::step_result> try_step(tensors::reference_trainer& trainer, int64_t step,
                                             training::divergence& watch) {
  try {
    return trainer.step();
  } catch (const tensors::engine_error& why) {
    if (why.fault() != tensors::engine_fault::non_finite) throw;
    while (!watch.observe_broken(step_id{step})) {
    }
    return std::nullopt;
  }
}

int give_up(const training::divergence& watch) {
  std::fprintf(stderr, "baseline: %s\n", watch.sentence().c_str());
  return tools::exit_failure;
}

int run(const baseline_options& options, const tools::option_table& table, tensors::corpus data) {
  const tools::training_setup setup{options.run, std::move(data)};
  const auto asked =
      options.threads > 0 ? options.threads : static_cast<int64_t>(tools::usable_cores());
  auto trainer = setup.reference(static_cast<int>(asked));
  const int64_t threads = tensors::intra_op_threads();
  std::printf("baseline: %lld steps of %lld tokens, one process, %lld threads\n",
              static_cast<long long>(options.run.steps),
              static_cast<long long>(setup.tokens_per_step()), static_cast<long long>(threads));
  nlohmann::json curve = nlohmann::json::array();
  double trained_seconds = 0;
  training::divergence trains{setup.uniform_loss()};
  for (int64_t step = 0; step < options.run.steps; ++step) {
    const experiments::stopwatch watch;
    const auto made = try_step(trainer, step, trains);
    if (!made) return give_up(trains);
    const auto& result = *made;
    const double seconds = watch.seconds();
    trained_seconds += seconds;
    if (step % options.log_every == 0 || step + 1 == options.run.steps)
      std::printf("step %5lld  loss %.4f  grad %.3f  lr %.2e  %6.0f tokens/s\n",
                  static_cast<long long>(step), result.loss, std::sqrt(result.squared_norm),
                  result.learning_rate, static_cast<double>(setup.tokens_per_step()) / seconds);
    curve.push_back({{"step", step}, {"loss", result.loss}});
    training::divergence::observation seen;
    seen.step = step_id{step};
    seen.loss = result.loss;
    seen.gradient_norm = std::sqrt(result.squared_norm);
    if (trains.observe(seen)) return give_up(trains);
    if (options.run.eval_every > 0 && (step + 1) % options.run.eval_every == 0)
      std::printf("step %5lld  validation loss %.4f\n", static_cast<long long>(step),
                  setup.evaluate(trainer));
  }
  const double loss = setup.evaluate(trainer);
  const double tokens_per_second =
      static_cast<double>(setup.tokens_per_step() * options.run.steps) / trained_seconds;
  std::printf("validation loss %.4f nats/token, %.0f tokens/s, weights %s\n", loss,
              tokens_per_second, trainer.weights_hash().c_str());
  return experiments::conclude("baseline", table, options.run,
                               {{"validation_loss", loss},
                                {"tokens_per_second", tokens_per_second},
                                {"weights_hash", trainer.weights_hash()},
                                {"curve", curve}},
                               {});
}

}  // namespace

int main(int argc, char** argv) {
  baseline_options options;
  options.run.scope = tools::run_scope::single;
  tools::option_table table{"baseline", "Trains the model in one process, without a swarm."};
  tools::add_run_options(table, options.run);
  table.add(options.threads, "threads",
            "Intra-op threads; 0 takes every core. With --reproducible it is one.", "threads", 0,
            1024);
  table.add(options.log_every, "log-every", "Steps between progress lines.", "steps", 1, 1'000'000);
  table.add_preset("smoke", {"--steps=4", "--layers=3", "--width=32", "--heads=2", "--context=16",
                             "--microbatches=2", "--eval-batches=1"});
  return experiments::experiment_main(argc, argv, table, options.run, [&](tensors::corpus data) {
    return run(options, table, std::move(data));
  });
}
