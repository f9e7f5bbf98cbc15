#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "experiments/stopwatch.hpp"
#include "tests/sim/models.hpp"
#include "tests/sim/process_pool.hpp"
#include "tests/sim/scenario_files.hpp"
#include "tests/sim/tally.hpp"
#include "tools/options/option_table.hpp"
#include "tools/report/table.hpp"

// Runs many seeds of the scenarios and reports what was found: tests/sim/README.md.

namespace {

using namespace swarm;
using namespace swarm::campaign;

constexpr const char* program = "bazel run //tests/sim:campaign --";
constexpr int64_t seeds_max = 10'000'000;
constexpr double progress_period_s = 2;
/// From so many seeds on, a checked campaign must have injected this many faults.
constexpr uint64_t seeds_of_a_full_campaign = 10'000;
constexpr uint64_t faults_of_a_full_campaign = 1'000'000;
constexpr int exit_interrupted = 130;

struct settings {
  int64_t seeds = 1000;
  int64_t first_seed = 1;
  int64_t jobs = 2;
  double run_s_max = 300;
  std::string scenario = "all";
  bool trace = false;
  bool twice = false;
  bool hashes = false;
  bool check = false;
  bool json = false;
};

void declare(tools::option_table& table, settings& s,
             const std::vector<simulation::scenario>& known) {
  table.add(s.seeds, "seeds", "how many runs", "runs", 1, seeds_max)
      .add(s.first_seed, "first-seed", "seed of the first run", "", 0, INT64_MAX - seeds_max)
      .add(s.scenario, "scenario", "its name, or all: seed k runs scenario k mod their number")
      .add(s.jobs, "jobs", "child processes", "processes", 1, pool_jobs_max)
      .add(s.run_s_max, "run-seconds-max", "wall time after which a run counts as hung", "s", 1,
           1e5)
      .add(s.trace, "trace", "print everything that happens; needs --seeds=1 and a scenario")
      .add(s.twice, "twice", "run every seed twice and compare the event hashes")
      .add(s.hashes, "hashes", "print one hash over all runs, to compare two builds")
      .add(s.check, "check", "compare the outcome with what the campaign claims")
      .add(s.json, "json", "print the numbers as a JSON object on the last line")
      .add_check([&]() -> std::optional<std::string> {
        if (!choose(known, s.scenario))
          return "--scenario: there is no \"" + s.scenario + "\"; take all, or one of " +
                 names_of(known);
        if (s.trace && (s.seeds != 1 || s.scenario == "all"))
          return "--trace prints one run: add --seeds=1 and --scenario=NAME";
        return std::nullopt;
      });
}

class progress {
 public:
  progress(const settings& s, const campaign_tally& tally)
      : seeds_(s.seeds), tally_(tally), shown_(isatty(STDERR_FILENO) != 0) {}

  ~progress() {
    if (printed_) std::cerr << "\r\x1b[K";
  }

  void tick() {
    if (!shown_ || since_.seconds() < progress_period_s) return;
    since_ = {};
    printed_ = true;
    const auto& t = tally_.total();
    std::cerr << "\r\x1b[K" << t.runs << " of " << seeds_ << " runs, "
              << tools::fixed(t.virtual_s / 3600, 1) << " virtual hours, " << t.violated
              << " violations, " << tools::fixed(watch_.seconds(), 0) << " s" << std::flush;
  }

 private:
  int64_t seeds_;
  const campaign_tally& tally_;
  bool shown_;
  bool printed_ = false;
  experiments::stopwatch watch_;
  experiments::stopwatch since_;
};

pool_end run_all(const settings& s, const std::vector<simulation::scenario>& chosen,
                 campaign_tally& tally) {
  const auto seed_of = [&](uint64_t task) { return static_cast<uint64_t>(s.first_seed) + task; };
  const auto scenario_of = [&](uint64_t task) -> const simulation::scenario& {
    return chosen[seed_of(task) % chosen.size()];
  };
  const auto task = [&](uint64_t index) {
    auto record = run_one(scenario_of(index), seed_of(index), models());
    if (s.twice) run_again(record, scenario_of(index), models());
    return to_line(record);
  };
  progress shown{s, tally};
  pool_listener listener;
  listener.line = [&](const std::string& line) {
    tally.add(from_line(line));
    return true;
  };
  listener.died = [&](uint64_t index, const std::string& how) {
    tally.add_crash(scenario_of(index).name, seed_of(index), how);
    return true;
  };
  listener.tick = [&] { shown.tick(); };
  return run_in_children({static_cast<uint64_t>(s.seeds), s.jobs, s.run_s_max}, task, listener);
}

void trace_one(const settings& s, const simulation::scenario& what, campaign_tally& tally) {
  simulation::run_options options;
  options.trace = [](const std::string& line) { std::cout << line << "\n"; };
  tally.add(run_one(what, static_cast<uint64_t>(s.first_seed), models(), options));
}

/// Prints what was claimed and does not hold.
bool claims_hold(const settings& s, const campaign_tally& tally) {
  const auto& t = tally.total();
  bool all = true;
  const auto claim = [&](bool holds, const std::string& sentence) {
    if (!holds) std::cout << "claim does not hold: " << sentence << "\n";
    all = all && holds;
  };
  claim(t.violated == 0, "no run violates an invariant");
  claim(t.runs == static_cast<uint64_t>(s.seeds), "every seed was run");
  claim(t.resumed == t.runs, "every run resumes after its faults");
  if (t.runs >= seeds_of_a_full_campaign && s.scenario == "all")
    claim(injected(t.faults) >= faults_of_a_full_campaign,
          "at least 1,000,000 faults are injected");
  if (all) std::cout << "all claims hold\n";
  return all;
}

int report(const settings& s, const campaign_tally& tally, pool_end how, double wall_s) {
  const auto& t = tally.total();
  std::cout << tally.scenario_table() << "\n"
            << tally.fault_table() << "\n"
            << tally.rescue_table() << tally.probe_table() << "\n"
            << tally.work_line();
  std::cout << grouped(t.runs) << " runs, " << tools::fixed(t.virtual_s / 3600, 1)
            << " virtual hours, " << grouped(t.messages) << " messages, "
            << grouped(injected(t.faults)) << " faults, " << t.violated << " violations, wall time "
            << tools::fixed(wall_s, 1) << " s with " << s.jobs << " processes\n";
  if (s.hashes)
    std::cout << "hash of all runs: " << std::hex << tally.combined_hash() << std::dec << "\n";
  std::cout << tally.violation_list(program);
  if (how == pool_end::interrupted) std::cout << "interrupted\n";
  if (how == pool_end::too_many_deaths)
    std::cout << "gave up: more than " << pool_deaths_max << " processes died\n";
  const bool checked = !s.check || claims_hold(s, tally);
  if (s.json) {
    auto numbers = tally.to_json();
    numbers["wall_s"] = wall_s;
    numbers["jobs"] = s.jobs;
    std::cout << numbers.dump() << "\n";
  }
  if (how == pool_end::interrupted) return exit_interrupted;
  return t.violated == 0 && how == pool_end::complete && checked ? tools::exit_success
                                                                 : tools::exit_failure;
}

int run(const settings& s, const std::vector<simulation::scenario>& known) {
  const auto chosen = choose(known, s.scenario).value();
  const experiments::stopwatch watch;
  campaign_tally tally;
  auto how = pool_end::complete;
  if (s.trace) {
    trace_one(s, chosen.front(), tally);
  } else {
    how = run_all(s, chosen, tally);
  }
  return report(s, tally, how, watch.seconds());
}

}  // namespace

int main(int argc, char** argv) {
  settings s;
  tools::option_table table{"campaign", "Runs simulated swarms under faults and checks them."};
  std::vector<simulation::scenario> known;
  try {
    known = load_scenarios();
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return tools::exit_usage;
  }
  declare(table, s, known);
  return tools::run_main(argc, argv, table, [&] { return run(s, known); });
}
