#include "actors/simulation/invariants.hpp"

#include <boost/test/unit_test.hpp>

namespace {

using namespace swarm;
using namespace swarm::simulation;

std::string expected(stage_id stage, step_id version) {
  return std::to_string(stage.value()) + "/" + std::to_string(version.value());
}

constexpr host_id one{1};
constexpr host_id other{2};

}  // namespace

BOOST_AUTO_TEST_CASE(weights_of_one_process_at_every_version_hold) {
  invariants checkers{expected};
  checkers.stepped(one, stage_id{0}, step_id{1}, "0/1", 0);
  checkers.stepped(other, stage_id{0}, step_id{1}, "0/1", 0);
  checkers.stepped(one, stage_id{0}, step_id{2}, "0/2", 0);
  BOOST_TEST(checkers.hold());
}

BOOST_AUTO_TEST_CASE(other_weights_break_exactly_once_and_differing_replicas_their_agreement) {
  invariants checkers{expected};
  checkers.stepped(one, stage_id{0}, step_id{1}, "0/1", 3.5);
  checkers.stepped(other, stage_id{0}, step_id{1}, "else", 4.5);
  BOOST_TEST(!checkers.hold());
  BOOST_REQUIRE(checkers.violations().size() == 2U);
  BOOST_TEST((checkers.violations()[0].rule == invariant_rule::replicas_agree));
  BOOST_TEST((checkers.violations()[1].rule == invariant_rule::exactly_once));
  BOOST_TEST(checkers.violations()[1].time_s == 4.5);
  BOOST_TEST(checkers.violations()[1].what.find("host 2") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_term_commits_each_step_once_and_in_order) {
  invariants checkers{expected};
  checkers.committed(term_id{1}, step_id{0}, 0);
  checkers.committed(term_id{1}, step_id{1}, 0);
  // A successor may decide again what its predecessor had decided.
  checkers.committed(term_id{2}, step_id{1}, 0);
  BOOST_TEST(checkers.hold());
  checkers.committed(term_id{1}, step_id{1}, 0);
  BOOST_REQUIRE(checkers.count() == 1U);
  BOOST_TEST((checkers.violations()[0].rule == invariant_rule::steps_only_grow));
}

BOOST_AUTO_TEST_CASE(a_queue_at_its_limit_holds_and_one_above_it_does_not) {
  invariants checkers{expected};
  checkers.queued("worker", 10, 10, 0);
  BOOST_TEST(checkers.hold());
  checkers.queued("worker", 11, 10, 0);
  BOOST_REQUIRE(checkers.count() == 1U);
  BOOST_TEST((checkers.violations()[0].rule == invariant_rule::queues_bounded));
}

BOOST_AUTO_TEST_CASE(only_the_first_violations_are_kept_and_all_are_counted) {
  invariants checkers{expected};
  for (size_t i = 0; i < violations_max + 5; ++i)
    checkers.broken(invariant_rule::resumes, "late", 0);
  BOOST_TEST(checkers.violations().size() == violations_max);
  BOOST_TEST(checkers.count() == violations_max + 5);
}

BOOST_AUTO_TEST_CASE(a_tenth_more_than_the_planned_bytes_is_the_most) {
  invariants checkers{expected};
  checkers.sent(1.09e9, 1e9, 1);
  BOOST_TEST(checkers.hold());
  checkers.sent(1.11e9, 1e9, 2);
  BOOST_REQUIRE(checkers.violations().size() == 1U);
  BOOST_TEST((checkers.violations()[0].rule == invariant_rule::bytes_planned));
  BOOST_TEST(checkers.violations()[0].what.find("1.11 GB") != std::string::npos);
}
