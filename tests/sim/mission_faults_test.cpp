#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>

#include "tests/sim/mission_run.hpp"

// What a swarm of real size must do.

namespace {

using namespace swarm;
using namespace swarm::campaign;
using namespace std::chrono_literals;
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

BOOST_AUTO_TEST_CASE(a_death_in_another_stages_all_reduce_repeats_nothing_here) {
  const auto what = scenario_named("death_in_another_stage");
  const auto calm = run(what);
  BOOST_REQUIRE(calm.result.commits.size() > 3U);
  // Near the end of a pass of 12 s: stage 0 is nearly done, too.
  const double death_s = calm.result.commits[2].time_s - 1;
  const auto struck = run(what, {fault(fault_class::kill, at(death_s), at(death_s) + 200s, {4})});
  BOOST_TEST_REQUIRE(struck.result.faults.at("kill") == 1U);
  const auto& commits = struck.result.commits;
  const auto hit = std::find_if(commits.begin(), commits.end(),
                                [&](const auto& c) { return c.time_s > death_s; });
  BOOST_REQUIRE(hit != commits.end() && hit != commits.begin());
  const auto sent = static_cast<double>(hit->sums_bytes[0] - std::prev(hit)->sums_bytes[0]);
  BOOST_TEST_MESSAGE("stage 0 sent "
                     << sent / 1e6 << " MB in the step with the death, planned "
                     << pass_bytes(what) / 1e6 << "; the step took "
                     << hit->time_s - std::prev(hit)->time_s << " s instead of "
                     << calm.result.commits[2].time_s - calm.result.commits[1].time_s);
  BOOST_TEST(sent <= plan_slack * pass_bytes(what));
}

BOOST_AUTO_TEST_CASE(three_joiners_of_one_donor_all_get_in) {
  const auto what = scenario_named("three_joiners");
  const double death_s = 60;
  const auto record = run(what, {fault(fault_class::kill, at(death_s), at(death_s) + 2s, {1}),
                                 fault(fault_class::kill, at(death_s), at(death_s) + 2s, {2}),
                                 fault(fault_class::kill, at(death_s), at(death_s) + 2s, {3})});
  BOOST_TEST_REQUIRE(record.result.faults.at("kill") == 3U);
  const auto found = record.result.events.find("joined");
  const auto joined = found == record.result.events.end() ? 0 : found->second;
  BOOST_TEST_MESSAGE(
      "joined: " << joined << " of 3; states sent "
                 << static_cast<double>(record.result.sent_total(cargo::states)) / 1e6 << " MB");
  BOOST_TEST(joined >= 3U);
}

BOOST_AUTO_TEST_CASE(a_restore_that_takes_longer_than_all_repeats_is_made_once) {
  const auto what = scenario_named("long_restore");
  const double lost_s = 1200;
  const auto record = run(what, {fault(fault_class::stage_loss, at(lost_s), at(lost_s) + 2s, {0})});
  BOOST_TEST_REQUIRE(record.result.faults.at("stage_loss") == 1U);
  const double state_bytes = what.size.parameters.low * what.size.state_bytes.low;
  const auto& commits = record.result.commits;
  // Of whatever version: the run may have been taken back.
  const auto again = std::find_if(commits.begin(), commits.end(),
                                  [&](const auto& c) { return c.time_s > lost_s + 1; });
  const double allowed_s = 2 * state_bytes / line_bytes_per_s + 30;
  const double took_s = again == commits.end() ? -1 : again->time_s - lost_s;
  BOOST_TEST_MESSAGE("the lost stage committed again after " << took_s << " s (-1: never), allowed "
                                                             << allowed_s);
  BOOST_TEST(took_s >= 0);
  BOOST_TEST(took_s <= allowed_s);
}
