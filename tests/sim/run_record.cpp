#include "tests/sim/run_record.hpp"

#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

#include "experiments/stopwatch.hpp"

namespace swarm::campaign {

using json = nlohmann::json;
using counts = std::map<std::string, uint64_t>;

run_record run_one(const simulation::scenario& what, uint64_t seed,
                   const simulation::model_catalogue& models,
                   const simulation::run_options& options) {
  const experiments::stopwatch watch;
  run_record record;
  record.result.scenario = what.name;
  record.result.seed = seed;
  try {
    record.result = simulate(what, seed, models, options);
    for (const auto& v : record.result.violations)
      record.findings.push_back({to_string(v.rule), v.what, v.time_s});
  } catch (const std::exception& error) {
    record.findings.push_back({crash_rule, std::string{"exception: "} + error.what(), 0});
  }
  record.wall_s = watch.seconds();
  return record;
}

void run_again(run_record& first, const simulation::scenario& what,
               const simulation::model_catalogue& models) {
  const auto second = run_one(what, first.result.seed, models);
  first.wall_s += second.wall_s;
  const auto& a = first.result;
  const auto& b = second.result;
  if (a.hash == b.hash && a.messages == b.messages && a.version == b.version) return;
  first.findings.push_back({same_hash_rule,
                            "hashes " + std::to_string(a.hash) + " and " + std::to_string(b.hash) +
                                ", messages " + std::to_string(a.messages) + " and " +
                                std::to_string(b.messages),
                            0});
}

std::string to_line(const run_record& record) {
  const auto& r = record.result;
  json findings = json::array();
  for (const auto& f : record.findings)
    findings.push_back({f.rule, f.what, f.time_s});
  return json{{"scenario", r.scenario},
              {"seed", r.seed},
              {"findings", std::move(findings)},
              {"faults", r.faults},
              {"events", r.events},
              {"recovery_s", r.recovery_s},
              {"resume_s", r.resume_s},
              {"empty_s", r.empty_s},
              {"steps_back", r.steps_back},
              {"too_far_back", r.too_far_back},
              {"version", r.version},
              {"virtual_s", r.virtual_s},
              {"messages", r.messages},
              {"hash", r.hash},
              {"hosts", r.hosts},
              {"work", {r.work.forwards, r.work.backwards, r.work.added, r.work.needed}},
              {"wall_s", record.wall_s}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

run_record from_line(const std::string& line) {
  const auto from = json::parse(line);
  run_record record;
  auto& r = record.result;
  r.scenario = from.at("scenario").get<std::string>();
  r.seed = from.at("seed").get<uint64_t>();
  r.faults = from.at("faults").get<counts>();
  r.events = from.at("events").get<counts>();
  r.recovery_s = from.at("recovery_s").get<std::vector<double>>();
  r.resume_s = from.at("resume_s").get<double>();
  r.empty_s = from.at("empty_s").get<std::vector<double>>();
  r.steps_back = from.at("steps_back").get<std::vector<double>>();
  r.too_far_back = from.at("too_far_back").get<uint64_t>();
  r.version = from.at("version").get<int64_t>();
  r.virtual_s = from.at("virtual_s").get<double>();
  r.messages = from.at("messages").get<uint64_t>();
  r.hash = from.at("hash").get<uint64_t>();
  r.hosts = from.at("hosts").get<size_t>();
  const auto& work = from.at("work");
  r.work = {work.at(0), work.at(1), work.at(2), work.at(3)};
  record.wall_s = from.at("wall_s").get<double>();
  for (const auto& f : from.at("findings"))
    record.findings.push_back({f.at(0), f.at(1), f.at(2)});
  return record;
}

bool is_consequence(const std::string& fault) {
  return fault == "message cut" || fault == "message closed";
}

uint64_t injected(const counts& faults) {
  uint64_t total = 0;
  for (const auto& [kind, count] : faults)
    if (!is_consequence(kind)) total += count;
  return total;
}

}  // namespace swarm::campaign
