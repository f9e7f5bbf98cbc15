#include <boost/test/unit_test.hpp>

#include "tests/actors/training/rescue_rig.hpp"

/// Whom a coordinator lets move, and when. Its decisions alone: move_arbiter_test.

namespace {

using namespace swarm;
using namespace swarm::testing;
using namespace std::chrono_literals;
using verdict = schemas::MoveAnswer::Verdict;
using fixture = rescue_rig;

#define CHECK_SAID(answer, what) BOOST_CHECK((answer).said() == verdict::what)

}  // namespace

BOOST_AUTO_TEST_CASE(a_move_is_granted_between_two_steps) {
  fixture f{{3, 1}};
  CHECK_SAID(f.ask(1, 0, 1), GRANTED);
  BOOST_TEST(f.count("move_granted") == 1U);
  BOOST_TEST(f.last<int64_t>("move_granted", "peer") == 1);
  BOOST_TEST(f.last<int64_t>("move_granted", "from") == 0);
  BOOST_TEST(f.last<int64_t>("move_granted", "to") == 1);
}

BOOST_AUTO_TEST_CASE(in_the_middle_of_a_step_nobody_is_answered) {
  fixture f{{3, 1}};
  // Nobody trains, so the step does not end.
  testing::ask<int64_t>(f.world, f.leader, training::advance_atom::value, here + 1);
  const auto wish = f.ask(1, 0, 1);
  f.pass(20s);
  BOOST_TEST(!wish.reply->answered());
  BOOST_TEST(f.count("move_granted") == 0U);
}

BOOST_AUTO_TEST_CASE(one_move_per_stage_until_the_mover_is_there) {
  fixture f{{3, 3, 2}};
  CHECK_SAID(f.ask(1, 0, 1), GRANTED);
  CHECK_SAID(f.ask(2, 0, 2), SOURCE_BUSY);
  CHECK_SAID(f.ask(4, 1, 2), SOURCE_BUSY);
  CHECK_SAID(f.ask(7, 2, 1), TARGET_BUSY);
  // The answer may have been lost.
  CHECK_SAID(f.ask(1, 0, 1), GRANTED);
  f.arrive(1, 1);
  CHECK_SAID(f.ask(2, 0, 2), GRANTED);
}

BOOST_AUTO_TEST_CASE(the_last_live_peer_of_a_stage_stays) {
  fixture f{{2, 1}};
  CHECK_SAID(f.ask(3, 1, 0), LAST_OF_STAGE);
  // One that only fetches its state is no substitute.
  f.add(4, 1, wire::member_state::joining);
  CHECK_SAID(f.ask(3, 1, 0), LAST_OF_STAGE);
  CHECK_SAID(f.ask(1, 0, 1), GRANTED);
  f.arrive(1, 1);
  CHECK_SAID(f.ask(2, 0, 1), LAST_OF_STAGE);
}

BOOST_AUTO_TEST_CASE(a_peer_that_dies_does_not_count_as_one_that_stays) {
  fixture f{{3, 1}};
  CHECK_SAID(f.ask(4, 1, 0), LAST_OF_STAGE);
  f.kill(1);
  f.kill(2);
  CHECK_SAID(f.ask(3, 0, 1), LAST_OF_STAGE);
}

BOOST_AUTO_TEST_CASE(who_comes_later_may_move_too_and_can_be_left_behind) {
  fixture f{{2, 1}};
  CHECK_SAID(f.ask(3, 1, 0), LAST_OF_STAGE);
  f.add(8, 1);
  f.add(9, 0);
  CHECK_SAID(f.ask(9, 0, 1), GRANTED);
  f.arrive(9, 1);
  CHECK_SAID(f.ask(3, 1, 0), GRANTED);
}

BOOST_AUTO_TEST_CASE(nonsense_is_refused_by_name) {
  fixture f{{3, 1}};
  CHECK_SAID(f.ask(1, 1, 0), WRONG_SOURCE);
  CHECK_SAID(f.ask(1, 0, 9), UNKNOWN_STAGE);
  CHECK_SAID(f.ask(1, 0, 0), SAME_STAGE);
  const auto earlier = f.peers.at(1).id;
  f.arrive(1, 0);
  f.peers.at(1).id = earlier;
  CHECK_SAID(f.ask(1, 0, 1), UNKNOWN_WORKER);
  const auto damaged =
      testing::ask<wire::move_answer>(f.world, f.leader, wire::move_request{wire::errc::malformed});
  BOOST_TEST(damaged->failed);
}

BOOST_AUTO_TEST_CASE(who_does_not_lead_grants_nothing) {
  fixture f{{3, 1}};
  const auto other = f.add_candidate(1'001, false);
  CHECK_SAID(f.ask(other, 1, 0, 1), NOT_LEADING);
}

BOOST_AUTO_TEST_CASE(a_new_leader_grants_nothing_until_older_grants_are_over) {
  fixture f{{3, 1}};
  const auto other = f.add_candidate(1'001, false);
  caf::anon_send_exit(f.leader, caf::exit_reason::kill);
  f.pass(10s);
  BOOST_REQUIRE(f.count("coordinator_took_over") == 1U);
  CHECK_SAID(f.ask(other, 1, 0, 1), ARBITER_IS_NEW);
  f.pass(60s);
  CHECK_SAID(f.ask(other, 1, 0, 1), GRANTED);
}

BOOST_AUTO_TEST_CASE(while_a_stage_is_being_rescued_nobody_moves_by_himself) {
  fixture f{{3, 1}};
  f.peers.at(1).kept = {{0, {6}}};
  f.kill(4);
  f.pass(5s);
  BOOST_REQUIRE(f.count("stage_lost") >= 1U);
  CHECK_SAID(f.ask(1, 0, 1), ARBITER_IS_NEW);
  BOOST_TEST(f.count("move_granted") == 0U);
}
