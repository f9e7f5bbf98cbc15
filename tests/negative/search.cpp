#include "tests/negative/search.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "experiments/stopwatch.hpp"
#include "tests/sim/models.hpp"
#include "tests/sim/run_record.hpp"

namespace swarm::negative {

using json = nlohmann::json;

namespace {

campaign::run_record run_with(planted_bug bug, const simulation::scenario& what, uint64_t seed) {
  const plant planted{bug};
  simulation::run_options options;
  options.messages_max = search_messages_max;
  return campaign::run_one(what, seed, campaign::models(), options);
}

}  // namespace

search_result search(planted_bug bug, const std::vector<simulation::scenario>& scenarios,
                     const search_bounds& bounds) {
  const experiments::stopwatch watch;
  search_result result;
  result.bug = bug;
  for (uint64_t i = 0; i < bounds.seeds && watch.seconds() < bounds.wall_s_max; ++i) {
    const auto seed = bounds.first_seed + i;
    const auto& what = scenarios[seed % scenarios.size()];
    ++result.runs;
    const auto run = run_with(bug, what, seed);
    if (run.findings.empty()) continue;
    // What fails without the bug, too, says nothing about it.
    if (!run_with(planted_bug::none, what, seed).findings.empty()) continue;
    result.found = true;
    result.scenario = what.name;
    result.seed = seed;
    result.what = run.findings.front().what;
    for (const auto& finding : run.findings)
      if (std::find(result.rules.begin(), result.rules.end(), finding.rule) == result.rules.end())
        result.rules.push_back(finding.rule);
    break;
  }
  result.wall_s = watch.seconds();
  return result;
}

std::string to_line(const search_result& r) {
  return json{{"bug", to_string(r.bug)}, {"number", static_cast<int>(r.bug)},
              {"found", r.found},        {"rules", r.rules},
              {"what", r.what},          {"scenario", r.scenario},
              {"seed", r.seed},          {"runs", r.runs},
              {"wall_s", r.wall_s}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

search_result from_line(const std::string& line) {
  const auto from = json::parse(line);
  search_result r;
  r.bug = planted_bug{from.at("number").get<uint8_t>()};
  r.found = from.at("found").get<bool>();
  r.rules = from.at("rules").get<std::vector<std::string>>();
  r.what = from.at("what").get<std::string>();
  r.scenario = from.at("scenario").get<std::string>();
  r.seed = from.at("seed").get<uint64_t>();
  r.runs = from.at("runs").get<uint64_t>();
  r.wall_s = from.at("wall_s").get<double>();
  return r;
}

}  // namespace swarm::negative
