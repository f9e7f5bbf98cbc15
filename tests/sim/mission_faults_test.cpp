#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>

#include "tests/sim/mission_run.hpp"

// What a swarm of real size must do.

namespace {

using namespace swarm;
using namespace swarm::campaign;
using faults::fault_class;
using simulation::cargo;

}  // namespace

BOOST_AUTO_TEST_CASE(a_pass_that_takes_longer_than_orders_are_repeated_is_sent_once) {
  const auto what = scenario_named("slow_pass");
  const auto record = run(what);
  const auto& commits = record.result.commits;
  BOOST_REQUIRE(!commits.empty());
  // Of the first: after rounds that were given up one worker goes on without waiting for anybody.
  const auto sent = static_cast<double>(commits[0].sums_bytes[0]);
  BOOST_TEST_MESSAGE("sent " << sent / 1e6 << " MB until the first commit after "
                             << commits[0].time_s << " s, planned " << pass_bytes(what) / 1e6
                             << "; " << commits.size() << " commits, "
                             << record.result.sent_total(cargo::sums) / 1e6 << " MB of sums");
  BOOST_TEST(sent <= plan_slack * pass_bytes(what));
}

BOOST_AUTO_TEST_CASE(two_candidates_that_do_not_see_each_other_do_not_depose_each_other) {
  const auto what = scenario_named("candidates_apart");
  const double cut_s = 30;
  const double whole_s = 330;
  const auto record = run(what, {fault(fault_class::half_open, at(cut_s), at(whole_s), {4}, {5}),
                                 fault(fault_class::half_open, at(cut_s), at(whole_s), {5}, {4})});
  const auto& r = record.result;
  const auto found = r.events.find("coordinator_took_over");
  const auto terms = found == r.events.end() ? 0 : found->second;
  const auto between = [&](double from_s, double to_s) {
    return std::count_if(r.commits.begin(), r.commits.end(),
                         [&](const auto& c) { return c.time_s > from_s && c.time_s <= to_s; });
  };
  const auto before = static_cast<double>(between(10, cut_s)) / (cut_s - 10);
  const auto during = static_cast<double>(between(cut_s, whole_s)) / (whole_s - cut_s);
  BOOST_TEST_MESSAGE("terms taken " << terms << ", steps per second " << before << " before, "
                                    << during << " while the link is cut");
  BOOST_TEST(terms <= 1U);
  BOOST_TEST(during >= 0.9 * before);
}
