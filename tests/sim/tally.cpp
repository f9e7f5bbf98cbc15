#include "tests/sim/tally.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "actors/simulation/event_hash.hpp"
#include "tests/sim/probes.hpp"
#include "tools/report/table.hpp"

namespace swarm::campaign {

using json = nlohmann::json;
using tools::fixed;

namespace {

double ratio(double a, double b) {
  return b > 0 ? a / b : 0;
}

template <class Counts>
void add_counts(Counts& to, const Counts& from) {
  for (const auto& [name, count] : from)
    to[name] += count;
}

std::vector<std::string> row(const std::string& name, const tally& t) {
  return {name,
          grouped(t.runs),
          fixed(t.virtual_s / 3600, 1),
          grouped(t.messages),
          grouped(static_cast<uint64_t>(ratio(static_cast<double>(t.messages), t.wall_s))),
          grouped(injected(t.faults)),
          grouped(t.violated),
          grouped(t.resumed),
          fixed(percentile(t.recovery_s, 50), 2),
          fixed(percentile(t.recovery_s, 99), 2),
          fixed(percentile(t.resume_s, 50), 2),
          fixed(percentile(t.resume_s, 99), 2),
          grouped(static_cast<uint64_t>(ratio(t.virtual_s, t.wall_s)))};
}

json to_json(const tally& t) {
  return {{"runs", t.runs},
          {"virtual_hours", t.virtual_s / 3600},
          {"messages", t.messages},
          {"messages_per_s", ratio(static_cast<double>(t.messages), t.wall_s)},
          {"faults", injected(t.faults)},
          {"violated", t.violated},
          {"resumed", t.resumed},
          {"recover_p50_s", percentile(t.recovery_s, 50)},
          {"recover_p99_s", percentile(t.recovery_s, 99)},
          {"resume_p50_s", percentile(t.resume_s, 50)},
          {"resume_p99_s", percentile(t.resume_s, 99)},
          {"empty_longest_s", percentile(t.empty_s, 100)},
          {"steps_back_most", percentile(t.steps_back, 100)},
          {"rescues_beyond_the_interval", t.too_far_back},
          {"speed_up", ratio(t.virtual_s, t.wall_s)}};
}

}  // namespace

void tally::add(const run_record& run) {
  const auto& r = run.result;
  ++runs;
  resumed += r.resume_s > 0 ? 1 : 0;
  violated += run.findings.empty() ? 0 : 1;
  messages += r.messages;
  virtual_s += r.virtual_s;
  wall_s += run.wall_s;
  recovery_s.insert(recovery_s.end(), r.recovery_s.begin(), r.recovery_s.end());
  if (r.resume_s > 0) resume_s.push_back(r.resume_s);
  empty_s.insert(empty_s.end(), r.empty_s.begin(), r.empty_s.end());
  steps_back.insert(steps_back.end(), r.steps_back.begin(), r.steps_back.end());
  too_far_back += r.too_far_back;
  add_counts(faults, r.faults);
  add_counts(events, r.events);
  work.forwards += r.work.forwards;
  work.backwards += r.work.backwards;
  work.added += r.work.added;
  work.needed += r.work.needed;
}

void campaign_tally::add(const run_record& run) {
  by_scenario_[run.result.scenario].add(run);
  total_.add(run);
  hashes_[run.result.seed] = run.result.hash;
  for (const auto& finding : run.findings)
    violations_.push_back({run.result.scenario, run.result.seed, finding});
}

void campaign_tally::add_crash(const std::string& scenario, uint64_t seed, const std::string& how) {
  run_record run;
  run.result.scenario = scenario;
  run.result.seed = seed;
  run.findings.push_back({crash_rule, how, 0});
  add(run);
}

uint64_t campaign_tally::combined_hash() const {
  simulation::event_hash hash;
  for (const auto& [seed, of_run] : hashes_)
    hash.add(seed, of_run, 0);
  return hash.value();
}

std::string campaign_tally::scenario_table() const {
  tools::table table{{"scenario", "runs", "virtual h", "messages", "messages/s", "faults",
                      "violations", "resumed", "recover p50 s", "p99 s", "resume p50 s", "p99 s",
                      "speed-up"}};
  for (const auto& [name, t] : by_scenario_)
    table.add(row(name, t));
  if (by_scenario_.size() > 1) table.add(row("all", total_));
  return table.text();
}

std::string campaign_tally::fault_table() const {
  tools::table table{{"fault", "times"}};
  for (const auto& [name, count] : total_.faults)
    if (!is_consequence(name)) table.add({name, grouped(count)});
  table.add({"all", grouped(injected(total_.faults))});
  auto text = table.text();
  for (const auto& [name, count] : total_.faults)
    if (is_consequence(name))
      text += "(and their consequence: " + name + " " + grouped(count) + ")\n";
  return text;
}

std::string campaign_tally::probe_table() const {
  tools::table table{{"probe", "times", "what happened"}};
  std::string unreached;
  for (const auto& one : probes()) {
    const auto found = total_.events.find(one.event);
    if (found == total_.events.end()) {
      unreached += std::string{"\n  "} + one.event + ": " + one.sentence;
    } else {
      table.add({one.event, grouped(found->second), one.sentence});
    }
  }
  auto text = table.text() + "not reached:" + (unreached.empty() ? " none" : unreached) + "\n";
  for (const auto& name : unknown_events(total_.events))
    text += "no probe for the event " + name + ": enter it in tests/sim/probes.cpp\n";
  return text;
}

std::string campaign_tally::rescue_table() const {
  if (total_.steps_back.empty()) return {};
  tools::table table{{"scenario", "stages empty", "p50 s", "p99 s", "longest s", "rescues",
                      "steps back p50", "p99", "most", "beyond the interval"}};
  for (const auto& [name, t] : by_scenario_) {
    if (t.steps_back.empty()) continue;
    table.add({name, grouped(t.empty_s.size()), fixed(percentile(t.empty_s, 50), 1),
               fixed(percentile(t.empty_s, 99), 1), fixed(percentile(t.empty_s, 100), 1),
               grouped(t.steps_back.size()), fixed(percentile(t.steps_back, 50), 0),
               fixed(percentile(t.steps_back, 99), 0), fixed(percentile(t.steps_back, 100), 0),
               grouped(t.too_far_back)});
  }
  return table.text() + "\n";
}

std::string campaign_tally::work_line() const {
  const auto& w = total_.work;
  std::ostringstream text;
  text << "work: " << grouped(w.added) << " gradients added for " << grouped(w.needed)
       << " needed (x"
       << fixed(ratio(static_cast<double>(w.added), static_cast<double>(w.needed)), 3) << "), "
       << grouped(w.backwards) << " backwards, " << grouped(w.forwards) << " forwards\n";
  return text.str();
}

std::string campaign_tally::violation_list(const std::string& program) const {
  std::ostringstream text;
  for (size_t i = 0; i < violations_.size() && i < violations_shown_max; ++i) {
    const auto& v = violations_[i];
    text << v.what.rule << " after " << fixed(v.what.time_s, 3) << " s: " << v.what.what << "\n  "
         << program << " --scenario=" << v.scenario << " --first-seed=" << v.seed
         << " --seeds=1 --trace\n";
  }
  if (violations_.size() > violations_shown_max)
    text << "and " << violations_.size() - violations_shown_max << " more\n";
  return text.str();
}

json campaign_tally::to_json() const {
  json result = campaign::to_json(total_);
  for (const auto& [name, t] : by_scenario_)
    result["scenarios"][name] = campaign::to_json(t);
  result["faults_by_class"] = total_.faults;
  result["events"] = total_.events;
  result["hash"] = combined_hash();
  result["work"] = {{"added", total_.work.added},
                    {"needed", total_.work.needed},
                    {"backwards", total_.work.backwards},
                    {"forwards", total_.work.forwards}};
  result["violations"] = json::array();
  for (const auto& v : violations_)
    result["violations"].push_back({{"scenario", v.scenario},
                                    {"seed", v.seed},
                                    {"rule", v.what.rule},
                                    {"what", v.what.what},
                                    {"time_s", v.what.time_s}});
  return result;
}

double percentile(std::vector<double> values, double percent) {
  if (values.empty()) return 0;
  const auto count = static_cast<double>(values.size());
  const auto rank = static_cast<size_t>(std::max(1.0, std::ceil(percent / 100 * count))) - 1;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

std::string grouped(uint64_t number) {
  auto text = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<size_t>(at), ",");
  return text;
}

}  // namespace swarm::campaign
