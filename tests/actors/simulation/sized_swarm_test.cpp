#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <string>

#include "actors/simulation/mission_plan.hpp"
#include "actors/simulation/swarm_run.hpp"

// A swarm with stages of real size, left alone: what it does is what arithmetic says.

namespace {

using namespace swarm;
using namespace swarm::simulation;

scenario sized(const std::string& more) {
  std::string complaint;
  auto read = parse_scenario("sized",
                             R"({
    "stages": 2, "workers_per_stage": 3, "trainers": 2, "microbatches": 48, "in_flight": 6,
    "fault_s": 120, "production_times": 1, "silence_ms": 1000, "announce_s": 0,
    "size": {"parameters": 20e6, "elements": 240, "context": 128, "width": 1024},
    "workers": {"up_mbit_per_s": 200, "down_mbit_per_s": 200, "tera_flop_per_s": 0.1},
    "training": {"up_mbit_per_s": 1000, "down_mbit_per_s": 1000},
    "network": {"latency_ms": 5}, "compute": {"cache_bytes": 1e9, "saved_bytes": 1e9})" +
                                 more + "}",
                             complaint);
  BOOST_REQUIRE_MESSAGE(read, complaint);
  return *read;
}

run_result run(const scenario& what, const faults::fault_plan& faults = {}) {
  run_options options;
  options.faults = faults;
  const auto result = simulate(what, 1, {{"modelled", &make_modelled}}, options);
  for (const auto& v : result.violations)
    BOOST_ERROR(to_string(v.rule) << " after " << v.time_s << " s: " << v.what);
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_swarm_left_alone_takes_the_planned_time_and_sends_the_planned_bytes) {
  const auto what = sized("");
  const auto shape = shape_of(what);
  const auto plan = plan_of(shape);
  const auto result = run(what);
  BOOST_REQUIRE(result.commits.size() > 4U);
  // From the second on: graphs, caches and routers are warm.
  const auto& first = result.commits[1];
  const auto& last = result.commits.back();
  const auto steps = static_cast<double>(last.version - first.version);
  const double step_s = (last.time_s - first.time_s) / steps;
  BOOST_TEST_MESSAGE("a step took " << step_s << " s, planned " << plan.step_s);
  BOOST_TEST(step_s >= 0.9 * plan.step_s);
  BOOST_TEST(step_s <= 1.1 * plan.step_s);
  double sent = 0;
  for (size_t c = 0; c < cargoes; ++c)
    sent += static_cast<double>(last.bytes[c] - first.bytes[c]);
  const double planned = planned_bytes(shape, plan, steps, 0);
  BOOST_TEST(sent >= 0.98 * planned);
  BOOST_TEST(sent <= 1.03 * planned);
  for (size_t stage = 0; stage < 2; ++stage) {
    const auto sums = static_cast<double>(last.sums_bytes[stage] - first.sums_bytes[stage]);
    BOOST_TEST(sums == steps * 2 * 2 * shape.gradient_bytes, boost::test_tools::tolerance(1e-3));
  }
}

BOOST_AUTO_TEST_CASE(a_frozen_worker_is_missed_after_the_silence_and_comes_back) {
  faults::planned_fault freeze;
  freeze.kind = faults::fault_class::freeze;
  freeze.begins = std::chrono::seconds{40};
  freeze.ends = std::chrono::seconds{70};
  freeze.subjects = {4};
  const auto result = run(sized(""), {freeze});
  BOOST_TEST(result.faults.at("freeze") == 1U);
  // Nobody has to wait for its end.
  const auto meanwhile =
      std::count_if(result.commits.begin(), result.commits.end(),
                    [](const auto& c) { return c.time_s > 42 && c.time_s < 70; });
  BOOST_TEST(meanwhile >= 1);
  BOOST_TEST(result.resume_s > 0);
}
