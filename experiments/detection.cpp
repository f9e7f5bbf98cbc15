// How soon a process that is gone, frozen or cut off is missed by the others: real processes, real
// sockets with TLS, and the directory that trainers route by.

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "experiments/detection_rounds.hpp"
#include "experiments/program.hpp"
#include "experiments/stopwatch.hpp"
#include "tools/options/option_table.hpp"
#include "tools/report/result_file.hpp"
#include "tools/report/table.hpp"

namespace {

using namespace swarm;
using namespace std::chrono_literals;

constexpr double kill_p99_s_max = 0.1;
/// Of the silence timeout.
constexpr double silence_p99_factor_max = 1.5;

struct program_options {
  tools::run_options run;  ///< out, json, check and smoke
  experiments::detection_options what;
  int64_t seed = 1;
};

struct summary {
  size_t count = 0;
  double p50 = 0;
  double p99 = 0;
  double max = 0;
};

/// Of sorted values the one that this share of them does not exceed.
double quantile(const std::vector<double>& sorted, double share) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<size_t>(share * last + 0.999999)];
}

summary summarize(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {values.size(), quantile(values, 0.5), quantile(values, 0.99), values.back()};
}

nlohmann::json to_json(const summary& s) {
  return {{"samples", s.count}, {"p50_s", s.p50}, {"p99_s", s.p99}, {"max_s", s.max}};
}

std::string ms(double seconds) {
  return tools::fixed(1'000 * seconds, 1);
}

double timeout_s(const program_options& options) {
  return std::chrono::duration<double>(options.what.silence_timeout).count();
}

std::vector<experiments::claim> claims_of(const program_options& options, const summary& killed,
                                          const summary& frozen, const summary& silent) {
  const double silence_max = silence_p99_factor_max * timeout_s(options);
  // A few faults on a machine that runs other tests, too, have no p99.
  const char* which = options.run.smoke ? "p50" : "p99";
  const auto holds = [&](const summary& s, double most) {
    return s.count > 0 && (options.run.smoke ? s.p50 : s.p99) <= most;
  };
  const auto both = experiments::claim_of::both_sizes;
  return {
      {std::string{"SIGKILL is seen within 100 ms, "} + which, holds(killed, kill_p99_s_max), both},
      {std::string{"SIGSTOP is seen within 1.5 x the silence timeout, "} + which,
       holds(frozen, silence_max), both},
      {std::string{"a silent link is seen within 1.5 x the silence timeout, "} + which,
       holds(silent, silence_max), both}};
}

int run(program_options& options, const tools::option_table& table) {
  if (!options.run.out.empty()) {
    if (auto failure = tools::prepare_folder(options.run.out)) {
      std::fprintf(stderr, "--out: %s\n", failure->c_str());
      return tools::exit_usage;
    }
  }
  options.what.seed = static_cast<uint64_t>(options.seed);
  const experiments::stopwatch watch;
  experiments::detection_times times;
  const auto failed =
      experiments::measure_detection(options.what, times, [&](const std::string& now) {
        std::fprintf(stderr, "%6.1f s: %s\n", watch.seconds(), now.c_str());
      });
  if (failed) {
    std::fprintf(stderr, "detection: %s\n", failed->c_str());
    return tools::exit_failure;
  }
  const auto killed = summarize(times.kill);
  const auto parent = summarize(times.parent);
  const auto frozen = summarize(times.freeze);
  const auto silent = summarize(times.silence);
  const double silence_max = silence_p99_factor_max * timeout_s(options);
  tools::table shown{{"fault", "samples", "p50 ms", "p99 ms", "max ms", "p99 claimed ms"}};
  const auto add = [&](const char* name, const summary& s, double claimed) {
    shown.add({name, std::to_string(s.count), ms(s.p50), ms(s.p99), ms(s.max), ms(claimed)});
  };
  add("SIGKILL", killed, kill_p99_s_max);
  shown.add({"  by the parent: control", std::to_string(parent.count), ms(parent.p50),
             ms(parent.p99), ms(parent.max), "-"});
  add("SIGSTOP", frozen, silence_max);
  add("silent link", silent, silence_max);
  std::fputs(shown.text().c_str(), stdout);
  return experiments::conclude("detection", table, options.run,
                               {{"kill", to_json(killed)},
                                {"kill_control", to_json(parent)},
                                {"freeze", to_json(frozen)},
                                {"silence", to_json(silent)}},
                               claims_of(options, killed, frozen, silent));
}

void declare(tools::option_table& table, program_options& options) {
  auto& what = options.what;
  table.add(options.seed, "seed", "Of the moments at which the faults happen.", "", 0, INT64_MAX)
      .add(what.rounds, "rounds", "Faults of each kind.", "faults", 1, 100'000)
      .add(what.watchers, "watchers", "Processes that look at the victim of a signal.", "processes",
           1, 32)
      .add(what.heartbeat_interval, "heartbeat-interval",
           "How often a connection without traffic shows that it is alive.", 10ms, 60s)
      .add(what.silence_timeout, "silence-timeout",
           "A connection that brings nothing for so long is given up.", 50ms, 600s)
      .add(options.run.out, "out", "Folder for the results; empty: none are written.", "folder")
      .add(options.run.json, "json", "Print the results as one line of JSON at the end.")
      .add(options.run.check, "check", "Fail when a claim does not hold.")
      .add(options.run.smoke, "smoke", "The small size of the test suite.")
      .add_preset("smoke", {"--rounds=5"});
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  program_options options;
  tools::option_table table{"detection", "How soon a process that fails is missed by the others."};
  declare(table, options);
  return tools::run_main(argc, argv, table, [&] { return run(options, table); });
}
