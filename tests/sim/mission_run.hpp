#pragma once

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/models.hpp"
#include "tests/sim/run_record.hpp"
#include "tests/sim/scenario_files.hpp"

namespace swarm::campaign {

inline constexpr double line_bytes_per_s = 200 * 125'000;
/// Headers, orders and repeats that a plan does not count.
inline constexpr double plan_slack = 1.1;

inline simulation::scenario scenario_named(const std::string& name) {
  return choose(load_scenarios(mission_folder), name).value().front();
}

inline faults::planned_fault fault(faults::fault_class kind, std::chrono::nanoseconds begins,
                                   std::chrono::nanoseconds ends, std::vector<size_t> subjects,
                                   std::vector<size_t> others = {}) {
  faults::planned_fault result;
  result.kind = kind;
  result.begins = begins;
  result.ends = ends;
  result.subjects = std::move(subjects);
  result.others = std::move(others);
  return result;
}

inline run_record run(const simulation::scenario& what, const faults::fault_plan& plan = {}) {
  simulation::run_options options;
  options.faults = plan;
  if (std::getenv("SWARM_TRACE") != nullptr)
    options.trace = [](const std::string& line) { std::cout << line << "\n"; };
  auto record = run_one(what, 1, models(), options);
  for (const auto& [event, count] : record.result.events)
    BOOST_TEST_MESSAGE("  " << event << " x " << count);
  for (const auto& f : record.findings)
    BOOST_ERROR(what.name << ": " << f.rule << " after " << f.time_s << " s: " << f.what);
  return record;
}

/// What one all-reduce of a stage sends: each of its workers all of the gradient but its own slice,
/// twice.
inline double pass_bytes(const simulation::scenario& what) {
  return 2 * (what.workers_per_stage.low - 1) * what.size.parameters.low *
         what.size.gradient_bytes.low;
}

inline std::chrono::nanoseconds at(double s) {
  return std::chrono::nanoseconds{static_cast<int64_t>(s * 1e9)};
}

}  // namespace swarm::campaign
