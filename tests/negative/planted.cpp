#include <algorithm>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "experiments/stopwatch.hpp"
#include "tests/negative/search.hpp"
#include "tests/sim/models.hpp"
#include "tests/sim/process_pool.hpp"
#include "tests/sim/run_record.hpp"
#include "tests/sim/scenario_files.hpp"
#include "tools/options/option_table.hpp"
#include "tools/report/table.hpp"

// Plants every bug and lets the campaign look for it: tests/negative/README.md.

namespace {

using namespace swarm;
using namespace swarm::negative;

struct settings {
  int64_t seeds = 2000;
  int64_t first_seed = 1;
  int64_t jobs = 2;
  double bug_s_max = 600;
  std::string bug = "all";
  std::string scenario = "all";
  bool trace = false;
  bool json = false;
};

std::vector<planted_bug> chosen_bugs(const std::string& name) {
  auto bugs = all_bugs();
  if (name == "all") return bugs;
  bugs.erase(std::remove_if(bugs.begin(), bugs.end(),
                            [&](planted_bug bug) { return name != to_string(bug); }),
             bugs.end());
  return bugs;
}

void declare(tools::option_table& table, settings& s,
             const std::vector<simulation::scenario>& known) {
  std::vector<std::string> names{"all"};
  for (const auto bug : all_bugs())
    names.emplace_back(to_string(bug));
  table.add(s.seeds, "seeds", "runs per bug, at most", "runs", 1, 10'000'000)
      .add(s.first_seed, "first-seed", "seed of the first run", "", 0, INT64_MAX / 2)
      .add(s.jobs, "jobs", "child processes", "processes", 1, campaign::pool_jobs_max)
      .add(s.bug_s_max, "bug-seconds-max", "wall time per bug", "s", 1, 1e5)
      .add_choice(s.bug, "bug", "which one to plant", std::move(names))
      .add(s.scenario, "scenario", "its name, or all: seed k runs scenario k mod their number")
      .add(s.trace, "trace", "print everything that happens in the run with --first-seed")
      .add(s.json, "json", "print the numbers as a JSON object on the last line")
      .add_check([&]() -> std::optional<std::string> {
        if (!campaign::choose(known, s.scenario))
          return "--scenario: there is no \"" + s.scenario + "\"; take all, or one of " +
                 campaign::names_of(known);
        if (s.trace && (s.bug == "all" || s.scenario == "all"))
          return "--trace prints one run: add --bug=NAME and --scenario=NAME";
        return std::nullopt;
      });
}

int trace_one(const settings& s, const simulation::scenario& what) {
  const plant planted{chosen_bugs(s.bug).front()};
  simulation::run_options options;
  options.trace = [](const std::string& line) { std::cout << line << "\n"; };
  const auto run =
      campaign::run_one(what, static_cast<uint64_t>(s.first_seed), campaign::models(), options);
  for (const auto& finding : run.findings)
    std::cout << finding.rule << " after " << finding.time_s << " s: " << finding.what << "\n";
  return run.findings.empty() ? tools::exit_failure : tools::exit_success;
}

std::string joined(const std::vector<std::string>& words) {
  std::string result;
  for (const auto& word : words)
    result += (result.empty() ? "" : ", ") + word;
  return result;
}

std::string table_of(const std::vector<search_result>& results) {
  tools::table table{{"bug", "found by", "scenario", "seed", "seeds needed", "wall s"}};
  for (const auto& r : results)
    table.add({to_string(r.bug), r.found ? joined(r.rules) : "NOT FOUND",
               r.found ? r.scenario : "-", r.found ? std::to_string(r.seed) : "-",
               (r.found ? "" : "> ") + std::to_string(r.runs), tools::fixed(r.wall_s, 1)});
  return table.text();
}

int run(const settings& s, const std::vector<simulation::scenario>& known) {
  const auto scenarios = campaign::choose(known, s.scenario).value();
  if (s.trace) return trace_one(s, scenarios.front());
  const experiments::stopwatch watch;
  const auto bugs = chosen_bugs(s.bug);
  std::map<uint64_t, search_result> results;
  const search_bounds bounds{static_cast<uint64_t>(s.first_seed), static_cast<uint64_t>(s.seeds),
                             s.bug_s_max};
  campaign::pool_listener listener;
  listener.line = [&](const std::string& line) {
    auto r = from_line(line);
    std::cerr << to_string(r.bug) << (r.found ? " found\n" : " NOT FOUND\n");
    results[static_cast<uint64_t>(r.bug)] = std::move(r);
    return true;
  };
  listener.died = [&](uint64_t task, const std::string& how) {
    std::cout << to_string(bugs[task]) << ": the process died, " << how << "\n";
    return true;
  };
  const auto how = run_in_children(
      {bugs.size(), s.jobs, 2 * s.bug_s_max + 60},
      [&](uint64_t task) { return to_line(search(bugs[task], scenarios, bounds)); }, listener);
  std::vector<search_result> in_order;
  size_t found = 0;
  for (auto& [number, r] : results) {
    found += r.found ? 1 : 0;
    in_order.push_back(std::move(r));
  }
  std::cout << table_of(in_order);
  std::cout << found << " of " << bugs.size() << " planted bugs found, wall time "
            << tools::fixed(watch.seconds(), 1) << " s with " << s.jobs << " processes\n";
  if (s.json) {
    auto list = nlohmann::json::array();
    for (const auto& r : in_order)
      list.push_back(nlohmann::json::parse(to_line(r)));
    std::cout << nlohmann::json{{"found", found}, {"bugs", std::move(list)}}.dump() << "\n";
  }
  const bool all = how == campaign::pool_end::complete && found == bugs.size();
  return all ? tools::exit_success : tools::exit_failure;
}

}  // namespace

int main(int argc, char** argv) {
  settings s;
  tools::option_table table{"planted", "Plants bugs and looks for them with simulated runs."};
  std::vector<simulation::scenario> known;
  try {
    known = campaign::load_scenarios();
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return tools::exit_usage;
  }
  declare(table, s, known);
  return tools::run_main(argc, argv, table, [&] { return run(s, known); });
}
