#include <boost/test/unit_test.hpp>

#include "tests/actors/training/tapped_swarm.hpp"

/// What becomes of the other stages' rounds when something happens at one stage.

namespace {

using namespace swarm;
using namespace std::chrono_literals;
using testing::fate;
using testing::tapped_call;
using testing::tapped_swarm;

constexpr uint64_t leader = 1'000;

}  // namespace

BOOST_AUTO_TEST_CASE(a_death_in_one_stages_all_reduce_repeats_no_other_stages) {
  tapped_swarm s{3};
  // Stage 2 is workers 5 and 6; the order is lost with the worker.
  s.kill_worker_at("Reduce", 6);
  s.add_candidate(leader, true);
  s.advance(leader, 1);
  s.pass(2min);
  BOOST_TEST(!s.lives(6));
  BOOST_TEST(s.reached[leader] == 1);
  BOOST_TEST(s.weights_are(1));
  for (const uint64_t worker : {1U, 2U, 3U, 4U}) {
    BOOST_TEST(s.sent("Gather", worker) == 1, "worker " << worker);
    BOOST_TEST(s.sent("Reduce", worker) == 1, "worker " << worker);
  }
  BOOST_TEST(s.sent("Gather", 5) > 1);
}

BOOST_AUTO_TEST_CASE(a_stage_that_lacks_something_keeps_no_other_from_reducing) {
  tapped_swarm s{2};
  s.tap = [&](const tapped_call& c) {
    return c.kind == "Gather" && c.worker <= 2 && c.step == 0 ? fate::lose : fate::pass;
  };
  s.add_candidate(leader, true);
  s.advance(leader, 1);
  s.pass(1s);
  BOOST_TEST(s.sent("Reduce", 1) == 0);
  BOOST_TEST(s.sent("Reduce", 3) == 1);
  BOOST_TEST(s.sent("Reduce", 4) == 1);
  BOOST_TEST(s.reached.count(leader) == 0U);
}

BOOST_AUTO_TEST_CASE(the_last_stage_reduces_while_the_first_has_still_to_go_backward) {
  tapped_swarm s{2};
  s.tap = [&](const tapped_call& c) {
    return c.kind == "Backward" && c.step == 0 ? fate::lose : fate::pass;
  };
  s.add_candidate(leader, true);
  s.advance(leader, 1);
  s.pass(1s);
  BOOST_TEST(s.sent("Backward") > 0);
  BOOST_TEST(s.sent("Reduce", 3) == 1);
  BOOST_TEST(s.sent("Reduce", 4) == 1);
  BOOST_TEST(s.sent("Gather", 1) == 0);
}

BOOST_AUTO_TEST_CASE(a_stage_that_has_reduced_still_answers_what_adds_nothing) {
  tapped_swarm s{3};
  // The first try of every backward at the first stage comes to nothing, so its microbatches are
  // leased again, and go through the last stage once more.
  std::map<uint64_t, int> lost;
  s.tap = [&](const tapped_call& c) {
    const bool loses = c.kind == "Backward" && c.worker <= 2 && c.step == 0 && ++lost[c.worker] < 8;
    return loses ? fate::lose_answer : fate::pass;
  };
  s.add_candidate(leader, true);
  s.advance(leader, 2);
  s.pass(30min);
  BOOST_TEST(s.reached[leader] == 2);
  BOOST_TEST(s.weights_are(2));
}
