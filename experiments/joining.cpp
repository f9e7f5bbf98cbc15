// A peer joins a stage of a run that goes on: how long it takes from the first byte of the state to
// serving, and what the run notices of it. Real processes, TLS, the product's own command.

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "experiments/live_run.hpp"
#include "experiments/program.hpp"
#include "tools/report/table.hpp"
#include "tools/report/user_path.hpp"

namespace {

using namespace swarm;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

/// Of every wait: nothing takes so long unless it fails.
constexpr auto patience = 120s;
constexpr double speed_share_min = 0.9;
/// Steps after a change of the crew that are not counted.
constexpr int64_t settle_steps = 3;

struct joining_options {
  tools::run_options run;
  int64_t peers = 3;  ///< of the stage that is joined
  int64_t joins = 5;
  int64_t calm_steps = 20;
  int64_t bytes_per_s = 0;
  std::string dir;
};

/// What one join took, by the joiner's clock, and what the trainer did meanwhile.
struct join {
  int64_t began_after = 0;  ///< the last step that was seen when the process was started
  int64_t fetched_version = 0;
  int64_t joined_version = 0;
  double bytes = 0;
  int64_t attempts = 0;
  double download_s = 0;  ///< of the attempt that succeeded
  double total_s = 0;     ///< from the first question to serving
  double step_s = 0;      ///< the longest one while it joined
  double before = 0;      ///< tokens/s
  double control = 0;     ///< while a process starts that joins nobody, until it serves
  double during = 0;      ///< while the newcomer starts, until it serves
};

/// Tokens per second over these steps, and the longest of them.
double rate(const std::vector<experiments::told_event>& trainer, int64_t first, int64_t last,
            double* longest) {
  double tokens = 0;
  double start = -1;
  double end = 0;
  for (const auto& e : trainer) {
    if (e.name() != "step") continue;
    const auto step = e.fields.value("step", int64_t{0});
    if (step < first - 1 || step > last) continue;
    if (start < 0) {
      start = end = e.t;
      continue;
    }
    tokens += e.fields.value("tokens", 0.0);
    if (longest != nullptr) *longest = std::max(*longest, e.t - end);
    end = e.t;
  }
  return end > start ? tokens / (end - start) : 0.0;
}

experiments::live_run_options live_options(const joining_options& options) {
  experiments::live_run_options result;
  result.name = "joining";
  result.run = options.run;
  result.tokens = 1 + options.peers + (options.run.stages - 1) + 2 * options.joins;
  result.bytes_per_s = options.bytes_per_s;
  return result;
}

class stage_run {
 public:
  stage_run(const joining_options& options, const fs::path& dir)
      : options_(options), run_(live_options(options), dir) {}

  /// A sentence when it fails.
  std::optional<std::string> begin(const tensors::corpus& data) {
    std::vector<int64_t> peers(static_cast<size_t>(options_.run.stages), 1);
    peers[0] = options_.peers;
    if (auto why = run_.begin(data, peers)) return why;
    return wait_for(options_.peers, settle_steps);
  }

  std::optional<std::string> join_once(join& found) {
    const auto calm_from = run_.last_step() + settle_steps;
    if (auto why = wait_for(options_.peers, settle_steps + options_.calm_steps)) return why;
    const auto calm_until = run_.last_step();
    const auto lone = run_.start_lone_peer();
    const auto serves = [&] { return first_of(run_.told_by(lone), "serving") != nullptr; };
    if (!run_.until(patience, serves)) return run_.failure();
    const auto control_until = run_.last_step() + 1;
    run_.kill(lone);
    if (auto why = wait_for(options_.peers, settle_steps + options_.calm_steps)) return why;
    found.began_after = run_.last_step();
    const auto joiner = run_.start_peer(0);
    if (auto why = wait_for(options_.peers + 1, settle_steps)) return why;
    // Telemetry is written by and by.
    std::vector<experiments::told_event> told;
    std::vector<experiments::told_event> trainer;
    const auto written = [&] {
      told = run_.told_by(joiner);
      trainer = run_.told_by(run_.trainer());
      return first_of(told, "serving") != nullptr && !trainer.empty() &&
             trainer.back().fields.value("step", int64_t{-1}) >= run_.last_step() - settle_steps;
    };
    if (!run_.until(patience, written)) return run_.failure();
    run_.kill(joiner);
    found.before = rate(trainer, calm_from, calm_until, nullptr);
    found.control = rate(trainer, calm_until + 1, control_until, nullptr);
    return measure(told, trainer, found);
  }

 private:
  /// So many further steps, from the first with so many peers in stage 0 on.
  std::optional<std::string> wait_for(int64_t peers, int64_t steps) {
    std::optional<int64_t> from;
    const auto reached = [&] {
      if (run_.workers(0) != peers)
        from.reset();
      else if (!from)
        from = run_.last_step();
      return from && run_.last_step() >= *from + steps;
    };
    if (!run_.until(patience, reached)) return run_.failure();
    return std::nullopt;
  }

  std::optional<std::string> measure(const std::vector<experiments::told_event>& told,
                                     const std::vector<experiments::told_event>& trainer,
                                     join& found) const {
    const auto* fetching = first_of(told, "fetching");
    const auto* fetched = first_of(told, "fetched");
    const auto* joined = first_of(told, "joined");
    const auto* serving = first_of(told, "serving");
    if (fetching == nullptr || fetched == nullptr || joined == nullptr) return "no join was told";
    found.bytes = fetched->fields.value("bytes", 0.0);
    found.fetched_version = fetched->fields.value("version", int64_t{0});
    found.joined_version = joined->fields.value("version", int64_t{0});
    // The download that succeeded; those that were given up before it count as lost time.
    double began = fetching->t;
    for (const auto& e : told) {
      if (e.name() != "fetching" || e.t > fetched->t) continue;
      began = e.t;
      ++found.attempts;
    }
    found.download_s = fetched->t - began;
    found.total_s = serving->t - fetching->t;
    found.during = rate(trainer, found.began_after + 1, found.joined_version + 1, nullptr);
    rate(trainer, found.fetched_version, found.joined_version + 1, &found.step_s);
    return std::nullopt;
  }

  const joining_options options_;
  experiments::live_run run_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

int report(const joining_options& options, const tools::option_table& table,
           const std::vector<join>& joins) {
  tools::table shown{{"join", "MB", "attempts", "download ms", "to serving ms", "longest step ms",
                      "tokens/s before", "control", "during", "ratio"}};
  const auto ms = [](double seconds) { return tools::fixed(1'000 * seconds, 0); };
  std::vector<double> ratios;
  bool in_time = true;
  auto rows = nlohmann::json::array();
  for (const auto& j : joins) {
    const double ratio = j.during / std::max(j.control, 1e-9);
    ratios.push_back(ratio);
    in_time = in_time && j.total_s <= j.download_s + j.step_s;
    shown.add({std::to_string(ratios.size()), tools::fixed(j.bytes / 1e6, 2),
               std::to_string(j.attempts), ms(j.download_s), ms(j.total_s), ms(j.step_s),
               tools::fixed(j.before, 0), tools::fixed(j.control, 0), tools::fixed(j.during, 0),
               tools::fixed(ratio, 2)});
    rows.push_back({{"bytes", j.bytes},
                    {"attempts", j.attempts},
                    {"download_s", j.download_s},
                    {"to_serving_s", j.total_s},
                    {"longest_step_s", j.step_s},
                    {"tokens_per_s_before", j.before},
                    {"tokens_per_s_control", j.control},
                    {"tokens_per_s_during", j.during}});
  }
  std::fputs(shown.text().c_str(), stdout);
  const double share = median(ratios);
  std::printf("median ratio %.2f\n", share);
  std::vector<experiments::claim> claims{
      {"a newcomer serves after its download and at most one step", in_time && !joins.empty(),
       experiments::claim_of::both_sizes}};
  // Too few steps say nothing about speed.
  if (!options.run.smoke)
    claims.push_back(
        {"while it joins the others keep 90 % of the speed that they have while another process "
         "starts, median of the joins",
         share >= speed_share_min});
  return experiments::conclude("joining", table, options.run,
                               {{"joins", rows}, {"median_ratio", share}}, claims);
}

int run(joining_options options, const tools::option_table& table, const tensors::corpus& data) {
  // A folder in the user's, who may have other things there.
  const auto dir = (options.dir.empty() ? fs::temp_directory_path() / "swarm-joining"
                                        : fs::path{tools::user_path(options.dir)}) /
                   "joining";
  fs::remove_all(dir);
  fs::create_directories(dir);
  std::vector<join> joins;
  {
    stage_run running{options, dir};
    auto failed = running.begin(data);
    for (int64_t i = 0; i < options.joins && !failed; ++i) {
      join found;
      failed = running.join_once(found);
      if (!failed) joins.push_back(found);
    }
    if (failed) {
      std::fprintf(stderr, "joining: %s\n", failed->c_str());
      return tools::exit_failure;
    }
  }
  return report(options, table, joins);
}

}  // namespace

int main(int argc, char** argv) {
  joining_options options;
  auto& run_with = options.run;
  run_with.scope = tools::run_scope::processes;
  // Stage 0 of this has 8 MB of state: parameters and both moments.
  run_with.model.width = 160;
  run_with.model.layers = 4;
  run_with.model.context = 32;
  run_with.stages = 2;
  run_with.steps = 1'000'000;
  run_with.optimizer.decay_steps = run_with.steps;
  tools::option_table table{"joining", "A peer joins a stage while the run goes on."};
  tools::add_run_options(table, run_with);
  table.add(options.peers, "peers", "Of the stage that is joined, before.", "processes", 1, 64)
      .add(options.joins, "joins", "Newcomers, one after the other.", "processes", 1, 1'000)
      .add(options.calm_steps, "calm-steps", "Measured before each join.", "steps", 1, 1'000'000)
      .add(options.bytes_per_s, "bytes-per-s",
           "Most that a process sends over all its connections together, and as much that it "
           "receives; 0: no limit.",
           "bytes/s", 0, INT64_MAX)
      .add(options.dir, "dir", "Folder of the run; empty: one of the system's for such.", "path");
  table.add_preset("smoke", {"--joins=1", "--calm-steps=5", "--width=32", "--heads=2",
                             "--context=16", "--microbatches=4"});
  return experiments::experiment_main(
      argc, argv, table, run_with, [&](tensors::corpus data) { return run(options, table, data); });
}
