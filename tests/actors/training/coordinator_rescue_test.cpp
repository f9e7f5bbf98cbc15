#include <boost/test/unit_test.hpp>

#include "tests/actors/training/rescue_rig.hpp"

/// What a coordinator says to whom when a stage is empty. Real workers: rescued_swarm_test.

namespace {

using namespace swarm;
using namespace swarm::testing;
using namespace std::chrono_literals;
using boost::test_tools::per_element;
using fixture = rescue_rig;

/// Stage 1 has nobody any more; peers 1 and 2 of stage 0 keep copies, and so does 4 of stage 2.
struct emptied : fixture {
  emptied() : fixture({2, 1, 1}) {
    peers.at(1).kept = {{0, {2, 4, 6}}, {1, {2, 4}}, {2, {4}}};
    peers.at(2).kept = {{0, {2, 4}}};
    peers.at(4).kept = {{2, {4, 6}}, {1, {2}}};
    before = term();
    kill(3);
  }
  uint64_t before = 0;
};

}  // namespace

// -- rescue ---------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(an_emptied_stage_gets_a_peer_and_everybody_goes_back_to_what_all_have) {
  emptied f;
  f.pass(10s);
  BOOST_TEST(f.sent_to("Inventory") == (std::set<uint64_t>{1, 2, 4}), per_element());
  const auto moves = f.sent("MoveOrder");
  BOOST_REQUIRE(moves.size() == 1U);
  // From the only stage that has two.
  BOOST_TEST((moves[0].peer == 1 || moves[0].peer == 2));
  BOOST_TEST(moves[0].value == 1);
  BOOST_TEST(f.sent_to("Restore") == (std::set<uint64_t>{1, 2, 4}), per_element());
  for (const auto& o : f.sent("Restore")) {
    BOOST_TEST(o.value == 4);
    const auto at = f.peers.at(o.peer).stage.value();
    const std::vector<uint64_t> holders[] = {{1, 2}, {1}, {1, 4}};
    BOOST_TEST(o.holders == holders[at], per_element());
  }
  BOOST_TEST(f.count("rescue_begins") >= 1U);
  BOOST_TEST(f.count("peer_moved") == 1U);
  BOOST_REQUIRE(f.count("rescued") == 1U);
  BOOST_TEST(f.last<int64_t>("rescued", "from") == here);
  BOOST_TEST(f.last<int64_t>("rescued", "step") == 4);
  BOOST_TEST(f.last<int64_t>("rescued", "stage") == 1);
  BOOST_TEST(f.last<std::string>("rescued", "detail") ==
             "stage 1 was lost: the run goes back from step 6 to 4");
  BOOST_TEST(f.count("resumed") == 0U);
  BOOST_REQUIRE(f.count("peer_dropped") == 1U);
  BOOST_TEST(f.last<std::string>("peer_dropped", "detail") ==
             "stage 1 is without peer 3 from step 6 on: it has left the stage or is not reached "
             "any more");
  // From there on the run goes on.
  BOOST_REQUIRE(f.count("coordinator_took_over") == 1U);
  BOOST_TEST(f.last<int64_t>("coordinator_took_over", "step") == 4);
}

BOOST_AUTO_TEST_CASE(inventories_come_before_the_move_and_the_move_before_the_restore) {
  emptied f;
  f.pass(10s);
  const auto first = [&](const std::string& kind) {
    return std::find_if(f.orders.begin(), f.orders.end(),
                        [&](const order& o) { return o.kind == kind; });
  };
  BOOST_REQUIRE((first("Restore") != f.orders.end()));
  BOOST_TEST((first("Inventory") < first("MoveOrder")));
  BOOST_TEST((first("MoveOrder") < first("Restore")));
}

BOOST_AUTO_TEST_CASE(a_rescue_is_made_in_a_term_of_its_own) {
  emptied f;
  f.pass(10s);
  for (const auto* kind : {"MoveOrder", "Restore"})
    for (const auto& o : f.sent(kind))
      BOOST_TEST(o.term > f.before);
  BOOST_TEST(f.sent("Inventory").back().term > f.before);
  BOOST_TEST(f.sent("Restore").back().term == f.term());
  // Afterwards everybody is asked in that term.
  BOOST_TEST(f.sent("TakeOver").back().term == f.term());
}

BOOST_AUTO_TEST_CASE(a_stage_that_comes_back_in_time_is_not_rescued) {
  emptied f;
  f.pass(rescue_after - 200ms);
  BOOST_TEST(f.sent("Inventory").empty());
  f.add(3, 1);
  f.pass(10s);
  BOOST_TEST(f.sent("Inventory").empty());
  BOOST_TEST(f.sent("MoveOrder").empty());
  BOOST_TEST(f.term() == f.before);
}

BOOST_AUTO_TEST_CASE(a_run_without_rescue_waits_for_somebody_to_come) {
  fixture f{{2, 1}, 0ms};
  f.kill(3);
  f.pass(60s);
  BOOST_TEST(f.orders.empty());
}

BOOST_AUTO_TEST_CASE(several_empty_stages_are_filled_and_none_is_emptied_for_it) {
  fixture f{{4, 1, 1, 1}};
  f.peers.at(1).kept = {{0, {6}}, {1, {6}}, {2, {6}}, {3, {6}}};
  f.kill(5);
  f.kill(7);
  f.pass(10s);
  std::vector<int64_t> to;
  for (const auto& o : f.sent("MoveOrder")) {
    BOOST_TEST(o.peer <= 4U);
    to.push_back(o.value);
  }
  std::sort(to.begin(), to.end());
  BOOST_TEST(to == (std::vector<int64_t>{1, 3}), per_element());
  BOOST_TEST(f.count("rescued") == 1U);
}

// Simulated, `movers` seed 5450: frozen peers of a stage wake up in the history that was given up,
// when everybody else of it has died; nobody there can make the step, and nobody can be asked to.
BOOST_AUTO_TEST_CASE(a_stage_that_has_only_workers_of_a_history_given_up_is_rescued_again) {
  fixture f{{3, 1}};
  for (const uint64_t peer : {1, 2, 3})
    f.peers.at(peer).kept = {{0, {4}}, {1, {4}}};
  f.kill(4);
  f.pass(10s);
  BOOST_REQUIRE(f.count("rescued") == 1U);
  BOOST_REQUIRE(f.sent("MoveOrder").size() == 1U);
  f.kill(f.sent("MoveOrder")[0].peer);
  f.add(9, 1);
  f.pass(10s);
  BOOST_REQUIRE(f.count("rescued") == 2U);
  BOOST_TEST(f.sent_to("Restore").count(9) == 1U);
  BOOST_TEST(f.sent("Restore").back().value == 4);
}

BOOST_AUTO_TEST_CASE(a_stray_of_a_history_given_up_does_not_throw_the_next_leader_back) {
  fixture f{{2, 1}};
  for (const uint64_t peer : {1, 2})
    f.peers.at(peer).kept = {{0, {4}}, {1, {4}}};
  f.kill(3);
  f.pass(10s);
  BOOST_REQUIRE(f.count("rescued") == 1U);
  // At version 6 of history 0, where the run is at 4 of a later one.
  f.add(9, 0);
  const auto took_over = f.count("coordinator_took_over");
  f.add_candidate(1'001, false);
  caf::anon_send_exit(f.leader, caf::exit_reason::kill);
  f.pass(30s);
  BOOST_TEST(f.count("coordinator_took_over") > took_over);
  BOOST_TEST(f.count("stage_behind") == 0U);
  BOOST_TEST(f.count("rescued") == 1U);
}

// -- what cannot be rescued -----------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(without_copies_the_message_says_what_is_lost_and_what_to_do) {
  fixture f{{2, 1}};
  f.peers.at(1).kept = {{0, {2, 4}}};
  f.kill(3);
  f.pass(10s);
  BOOST_REQUIRE(f.count("stage_lost") >= 1U);
  BOOST_TEST(f.last<int64_t>("stage_lost", "stage") == 1);
  BOOST_TEST(f.last<std::string>("stage_lost", "detail") ==
             "no copy of stage 1 is left that goes with the others' (newest copies: stage 0 at "
             "step 4): bring back a peer that kept its state, or begin anew from a checkpoint");
  BOOST_TEST(f.sent("MoveOrder").empty());
  BOOST_TEST(f.sent("Restore").empty());
}

/// It is tried again and again, and comes to the same.
BOOST_AUTO_TEST_CASE(what_is_missing_is_said_once_until_it_is_something_else) {
  fixture f{{2, 1}};
  f.peers.at(1).kept = {{0, {2, 4}}};
  f.kill(3);
  f.pass(20s);
  BOOST_TEST(f.count("rescue_begins") > 3U);
  BOOST_TEST(f.count("stage_lost") == 1U);
  f.peers.at(1).kept = {{0, {2, 5}}};
  f.pass(20s);
  BOOST_TEST(f.count("stage_lost") == 2U);
}

BOOST_AUTO_TEST_CASE(a_run_that_was_lost_goes_on_when_a_copy_turns_up) {
  fixture f{{2, 1}};
  f.peers.at(1).kept = {{0, {2, 4}}};
  f.kill(3);
  f.pass(10s);
  BOOST_REQUIRE(f.count("stage_lost") >= 1U);
  // A peer that kept its state is started again.
  f.add(9, 1, wire::member_state::joining).kept = {{1, {2}}};
  f.pass(10s);
  BOOST_TEST(f.sent("MoveOrder").empty());
  BOOST_REQUIRE(f.count("rescued") == 1U);
  BOOST_TEST(f.last<int64_t>("rescued", "step") == 2);
  BOOST_TEST(f.count("coordinator_took_over") == 1U);
}

BOOST_AUTO_TEST_CASE(the_last_peer_of_a_stage_is_never_moved_and_the_message_asks_for_another) {
  fixture f{{1, 1}};
  f.peers.at(1).kept = {{0, {6}}, {1, {6}}};
  f.kill(2);
  f.pass(10s);
  BOOST_TEST(f.sent("MoveOrder").empty());
  BOOST_TEST(f.sent("Restore").empty());
  BOOST_REQUIRE(f.count("stage_needs_peer") >= 1U);
  BOOST_TEST(f.last<std::string>("stage_needs_peer", "detail") ==
             "stage 1 has no peer that answers and no other stage can spare one: "
             "start a further peer");
  f.add(9, 1, wire::member_state::joining);
  f.pass(10s);
  BOOST_TEST(f.count("rescued") == 1U);
  BOOST_TEST(f.sent_to("Restore") == (std::set<uint64_t>{1, 9}), per_element());
}

BOOST_AUTO_TEST_CASE(a_replicator_that_is_silent_or_damaged_holds_nothing_up_and_offers_nothing) {
  for (const bool silent : {true, false}) {
    emptied f;
    // It alone has version 4 of stage 1.
    auto& p = f.peers.at(1);
    (silent ? p.inventory_lost : p.inventory_damaged) = true;
    f.peers.at(2).kept = {{0, {2, 4}}, {2, {2}}};
    f.pass(30s);
    BOOST_REQUIRE(f.count("rescued") == 1U);
    BOOST_TEST(f.last<int64_t>("rescued", "step") == 2);
  }
}

BOOST_AUTO_TEST_CASE(absurd_inventories_are_read_with_care) {
  emptied f;
  auto& p = f.peers.at(4);
  p.kept[77] = {6};
  p.kept[1] = {-5, 2};
  p.kept[~0U] = {4};
  for (int64_t v = 1'000; v < 3'000; ++v)
    p.kept[78].insert(v);
  f.pass(10s);
  BOOST_REQUIRE(f.count("rescued") == 1U);
  BOOST_TEST(f.last<int64_t>("rescued", "step") == 4);
}

BOOST_AUTO_TEST_CASE(copies_that_cannot_exist_are_none) {
  fixture f{{2, 1}};
  f.peers.at(1).kept = {{0, {-5, 4}}, {1, {-5}}, {77, {4}}};
  f.kill(3);
  f.pass(10s);
  BOOST_TEST(f.count("rescued") == 0U);
  BOOST_REQUIRE(f.count("stage_lost") >= 1U);
  const auto detail = f.last<std::string>("stage_lost", "detail");
  BOOST_TEST(detail.find("(newest copies: stage 0 at step 4)") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_worker_that_does_not_answer_the_restore_holds_nothing_up_for_ever) {
  emptied f;
  f.peers.at(4).restores = false;
  f.pass(35s);
  BOOST_TEST(f.count("rescued") >= 1U);
  f.peers.at(4).restores = true;
  f.pass(60s);
  BOOST_TEST(f.peers.at(4).version == 4);
}

BOOST_AUTO_TEST_CASE(a_stage_that_others_see_is_not_lost_whatever_the_leader_sees) {
  emptied f;
  for (auto& [id, p] : f.peers)
    p.sees = 0b010;
  f.pass(1min);
  BOOST_TEST(f.count("stage_unseen") > 1U);
  BOOST_TEST(f.count("rescue_begins") == 0U);
  BOOST_TEST(f.sent("Restore").empty());
  for (auto& [id, p] : f.peers)
    p.sees = 0;
  f.pass(20s);
  BOOST_TEST(f.count("rescued") == 1U);
}

BOOST_AUTO_TEST_CASE(two_stages_that_come_back_soon_are_no_lost_stage) {
  fixture f{{1, 1}};
  std::vector<uint64_t> serving{1, 2};
  uint64_t next = 10;
  // Each is gone for less than the patience; from the first time to the last it is more.
  for (const size_t stage : {1U, 0U, 1U, 0U}) {
    f.kill(serving[stage]);
    f.pass(rescue_after / 2);
    serving[stage] = next++;
    f.add(serving[stage], static_cast<int32_t>(stage));
    f.pass(rescue_after);
  }
  BOOST_TEST(f.count("rescue_begins") == 0U);
}

// -- how long a restore is waited for -------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_restore_is_waited_for_as_long_as_it_gets_on) {
  fixture f{{2, 1}};
  for (auto& [peer, p] : f.peers)
    p.kept = {{0, {4}}, {1, {4}}};
  // Half an hour at this pace.
  for (const uint64_t peer : {1, 2})
    f.peers.at(peer).restores_in = 1'800;
  f.kill(3);
  f.add(4, 1, wire::member_state::joining);
  f.pass(25min);
  BOOST_TEST(f.count("rescued") == 1U);
  BOOST_TEST(f.count("coordinator_took_over") == 0U);
  f.pass(10min);
  BOOST_TEST(f.count("rescued") == 1U);
  BOOST_TEST(f.count("coordinator_took_over") == 1U);
}

BOOST_AUTO_TEST_CASE(a_restore_that_gets_on_no_more_is_given_up) {
  fixture f{{2, 1}};
  for (auto& [peer, p] : f.peers)
    p.kept = {{0, {4}}, {1, {4}}};
  f.peers.at(2).restores_in = 1'800;
  f.peers.at(2).restored_at_most = 20;
  f.kill(3);
  f.add(4, 1, wire::member_state::joining);
  f.pass(30s);
  BOOST_TEST(f.count("coordinator_took_over") == 0U);
  f.pass(3min);
  BOOST_TEST(f.count("coordinator_took_over") == 1U);
}
