// The main job: an embedded swarm of 3 stages x 2 workers trains a language model on real text,
// loses two workers on the way, and ends with the loss of a single process.

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "experiments/program.hpp"
#include "experiments/stopwatch.hpp"
#include "experiments/swarm_session.hpp"
#include "tensors/data/tokenizer.hpp"
#include "tensors/engine/flat.hpp"
#include "tools/report/one_line.hpp"
#include "tools/report/printable.hpp"
#include "tools/report/result_file.hpp"
#include "tools/report/svg_plot.hpp"
#include "tools/report/user_path.hpp"
#include "tools/run/training_setup.hpp"

namespace {

using namespace swarm;

/// What the acceptance asks of the default run.
constexpr double validation_loss_max = 2.2;
constexpr double first_step_seconds_max = 20.0;
constexpr double total_seconds_max = 180.0;

constexpr const char* default_out = "out";
constexpr int64_t default_steps = 600;

struct quickstart_options {
  tools::run_options run;
  int64_t kills = 2;
  int64_t sample_tokens = 320;
  double temperature = 0.8;
};

/// Turns telemetry into progress lines and a loss curve.
class progress {
 public:
  explicit progress(const experiments::stopwatch& watch) : watch_(watch) {}

  void on_event(const telemetry::event& event) {
    if (event.name == "step") return on_step(event);
    if (event.name == "serving" && experiments::number(event, "version").value_or(0) > 0) {
      note("peer " + text_of(event, "peer") + " of stage " + text_of(event, "stage") +
           " is back, at step " + text_of(event, "version"));
    } else if (event.name == "rework") {
      note("step " + text_of(event, "step") + ": " + text_of(event, "items") +
           " lost gradients are computed again");
    }
  }

  void note(const std::string& what) {
    std::printf("%6.1f s  * %s\n", watch_.seconds(), what.c_str());
  }

  void mark_kill(const std::string& label) {
    kills_.push_back({static_cast<double>(step_), label});
    note(label);
  }

  const std::vector<std::pair<double, double>>& curve() const { return curve_; }
  const std::vector<tools::plot_event>& kills() const { return kills_; }
  double first_step_seconds() const { return first_step_seconds_; }
  int64_t reworked() const { return reworked_; }

 private:
  static std::string text_of(const telemetry::event& event, const std::string& key) {
    return experiments::text(event, key);
  }

  void on_step(const telemetry::event& event) {
    step_ = static_cast<int64_t>(experiments::number(event, "step").value_or(0));
    const auto loss = experiments::number(event, "loss");
    const double seconds = experiments::number(event, "seconds").value_or(1);
    // A step of which nothing counts has no loss.
    if (loss) curve_.emplace_back(static_cast<double>(step_), *loss);
    reworked_ += static_cast<int64_t>(experiments::number(event, "reworked").value_or(0));
    tokens_ += experiments::number(event, "tokens").value_or(0);
    busy_seconds_ += seconds;
    if (step_ == 0) first_step_seconds_ = watch_.seconds();
    const auto workers = text_of(event, "workers");
    if (!workers_.empty() && workers != workers_) note("workers per stage: " + workers);
    workers_ = workers;
    if (step_ != 0 && (step_ + 1) % line_every != 0) return;
    char shown[32];
    std::snprintf(shown, sizeof(shown), "%.4f", loss.value_or(0));
    std::printf("%6.1f s  step %4lld  loss %s  %6.0f tokens/s  workers %s\n", watch_.seconds(),
                static_cast<long long>(step_), loss ? shown : "unknown", tokens_ / busy_seconds_,
                workers.c_str());
    tokens_ = busy_seconds_ = 0;
  }

  static constexpr int64_t line_every = 20;

  const experiments::stopwatch& watch_;
  std::vector<std::pair<double, double>> curve_;
  std::vector<tools::plot_event> kills_;
  std::string workers_;
  int64_t step_ = 0;
  int64_t reworked_ = 0;
  double tokens_ = 0;
  double busy_seconds_ = 0;
  double first_step_seconds_ = 0;
};

/// Trains to the end in equal legs, with a kill inside each but the first.
std::optional<std::string> train(const quickstart_options& options,
                                 experiments::swarm_session& session, progress& shown) {
  const auto handler = [&](const telemetry::event& event) { shown.on_event(event); };
  for (int64_t leg = 0; leg <= options.kills; ++leg) {
    if (leg > 0 && options.run.workers > 1) {
      const auto stage = stage_id{static_cast<int32_t>((leg * 2 - 1) % options.run.stages)};
      // In the middle of a step, whatever it is doing then.
      if (session.swarm().kill_worker(stage, 0,
                                      std::chrono::milliseconds(options.run.smoke ? 0 : 150)))
        shown.mark_kill("a worker of stage " + std::to_string(stage.value()) + " is killed");
    }
    const int64_t until = options.run.steps * (leg + 1) / (options.kills + 1);
    if (auto failure = session.run_until(until, handler)) return failure;
  }
  return std::nullopt;
}

/// Of a loss: a token of text is a byte.
const char* unit(bool is_text) {
  return is_text ? "nats/byte" : "nats/token";
}

/// As text, or the numbers of tokens whose texts only their tokenizer knows.
std::string sample_text(bool is_text, const std::vector<int32_t>& tokens) {
  if (is_text) return tools::printable(tensors::decode_bytes({tokens.begin(), tokens.end()}));
  std::string text;
  for (const auto token : tokens)
    text += (text.empty() ? "" : " ") + std::to_string(token);
  return text;
}

bool write_curve(const quickstart_options& options, const progress& shown, double loss,
                 bool is_text) {
  tools::plot drawing;
  drawing.title = "quickstart: training loss, " + std::to_string(shown.kills().size()) +
                  " workers killed on the way";
  drawing.x_label = "optimizer step";
  drawing.y_label = std::string{"loss, "} + unit(is_text);
  drawing.series.push_back({"training", shown.curve(), false});
  const auto last = static_cast<double>(options.run.steps - 1);
  drawing.series.push_back({"validation at the end", {{0.0, loss}, {last, loss}}, true});
  drawing.events = shown.kills();
  const auto failure = tools::write_file(options.run.out, "quickstart.svg", tools::to_svg(drawing));
  if (failure) std::fprintf(stderr, "quickstart: --out: %s\n", failure->c_str());
  return !failure;
}

/// After all steps. Nothing, and a sentence on standard error, when a stage does not give its own.
std::optional<std::string> weights_hash(const quickstart_options& options,
                                        const tools::training_setup& setup,
                                        experiments::swarm_session& session) {
  const auto stages = session.swarm().parameters(options.run.steps);
  if (stages) return tensors::weights_hash(setup.combine(*stages));
  std::fprintf(stderr, "quickstart: %s\n", session.render(stages.error()).c_str());
  return std::nullopt;
}

int run(const quickstart_options& options, const tools::option_table& table, tensors::corpus data) {
  const experiments::stopwatch watch;
  const bool is_text = data.vocabulary() == tensors::byte_vocabulary;
  const tools::training_setup setup{options.run, std::move(data)};
  std::printf(
      "quickstart: %lld stages x %lld workers, %lld microbatches in flight, %lld steps of "
      "%lld tokens\n",
      static_cast<long long>(options.run.stages), static_cast<long long>(options.run.workers),
      static_cast<long long>(options.run.in_flight), static_cast<long long>(options.run.steps),
      static_cast<long long>(setup.tokens_per_step()));
  std::string events;
  if (!options.run.out.empty()) {
    // Starts the run's own file.
    events = tools::user_path(options.run.out) + "/telemetry.jsonl";
    if (auto failure = tools::write_file(options.run.out, "telemetry.jsonl", "")) {
      std::fprintf(stderr, "quickstart: --out: %s\n", failure->c_str());
      return tools::exit_failure;
    }
  }
  experiments::swarm_session session{setup.swarm(), events};
  progress shown{watch};
  if (auto failure = train(options, session, shown)) {
    std::fprintf(stderr, "quickstart: %s\n", failure->c_str());
    return tools::exit_failure;
  }
  const auto loss = session.swarm().evaluate(options.run.eval_batches);
  if (!loss) {
    std::fprintf(stderr, "quickstart: %s\n", session.render(loss.error()).c_str());
    return tools::exit_failure;
  }
  const auto hash = weights_hash(options, setup, session);
  if (!hash) return tools::exit_failure;
  std::printf("%6.1f s  validation loss %.4f %s, weights %s\n", watch.seconds(), *loss,
              unit(is_text), hash->c_str());
  std::string sample;
  const auto tokens =
      session.swarm().generate({is_text ? '\n' : 0}, options.sample_tokens, options.temperature,
                               static_cast<uint64_t>(options.run.seed));
  if (tokens) {
    sample = sample_text(is_text, *tokens);
    std::printf("\n--- a sample, generated by the swarm's stages ---\n%s\n---\n\n", sample.c_str());
  }
  const double seconds = watch.seconds();
  const bool drawn = options.run.out.empty() || write_curve(options, shown, *loss, is_text);
  nlohmann::json curve = nlohmann::json::array();
  for (const auto& [step, value] : shown.curve())
    curve.push_back({step, value});
  const std::vector<experiments::claim> claims{
      {"the first step is printed within 20 s of starting",
       shown.first_step_seconds() <= first_step_seconds_max},
      {"the run takes less than 3 minutes", seconds <= total_seconds_max},
      {"the validation loss is below 2.2 nats/byte", *loss < validation_loss_max}};
  if (!options.run.out.empty())
    std::printf("results: %s/quickstart.json, quickstart.svg and telemetry.jsonl\n",
                tools::one_line(options.run.out).c_str());
  const int code = experiments::conclude("quickstart", table, options.run,
                                         {{"validation_loss", *loss},
                                          {"weights_hash", *hash},
                                          {"seconds", seconds},
                                          {"first_step_seconds", shown.first_step_seconds()},
                                          {"gradients_computed_again", shown.reworked()},
                                          {"sample", sample},
                                          {"curve", curve}},
                                         claims);
  return drawn ? code : tools::exit_failure;
}

}  // namespace

int main(int argc, char** argv) {
  quickstart_options options;
  options.run.out = default_out;
  options.run.steps = default_steps;
  tools::option_table table{
      "quickstart", "An embedded swarm trains a language model on real text and loses workers."};
  tools::add_run_options(table, options.run);
  table.add(options.kills, "kills", "Workers killed on the way.", "workers", 0, 100);
  table.add(options.sample_tokens, "sample", "Length of the generated sample.", "tokens", 0,
            100'000);
  table.add(options.temperature, "temperature", "Of the sample; 0 takes the likeliest token.", "",
            0.0, 10.0);
  table.add_preset("smoke", {"--steps=9", "--layers=3", "--width=32", "--heads=2", "--context=16",
                             "--microbatches=4", "--eval-batches=2", "--sample=20"});
  return experiments::experiment_main(argc, argv, table, options.run, [&](tensors::corpus data) {
    return run(options, table, std::move(data));
  });
}
