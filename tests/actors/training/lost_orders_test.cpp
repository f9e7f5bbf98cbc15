#include <boost/test/unit_test.hpp>

#include "tests/actors/training/tapped_swarm.hpp"

/// What becomes of a step when orders or their answers are lost between coordinator and workers.

namespace {

using namespace swarm;
using namespace std::chrono_literals;
using testing::fate;
using testing::tapped_call;
using testing::tapped_swarm;

constexpr uint64_t leader = 1'000;

}  // namespace

BOOST_AUTO_TEST_CASE(an_order_that_is_lost_is_repeated_and_done_once) {
  for (const std::string kind : {"Gather", "Reduce", "Commit"}) {
    for (const auto loss : {fate::lose, fate::lose_answer}) {
      tapped_swarm s{2};
      s.tap = [&](const tapped_call& c) {
        const bool last = s.sent(kind, 1) >= static_cast<int>(training::calls_max);
        return c.kind == kind && c.worker == 1 && c.step == 0 && !last ? loss : fate::pass;
      };
      s.add_candidate(leader, true);
      s.advance(leader, 1);
      s.pass(60s);
      BOOST_TEST_CONTEXT(kind << (loss == fate::lose ? " lost" : " answered in vain")) {
        BOOST_TEST(s.reached[leader] == 1);
        BOOST_TEST(s.sent(kind, 1) == static_cast<int>(training::calls_max));
        BOOST_TEST(s.events.count("worker_silent") == 0U);
        BOOST_TEST(s.events.count("refetch") == 0U);
        BOOST_TEST(s.weights_are(1));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_worker_that_never_answers_is_left_out_and_comes_back) {
  for (const std::string kind : {"Gather", "Reduce"}) {
    tapped_swarm s{2};
    s.tap = [&](const tapped_call& c) {
      return c.kind == kind && c.worker == 1 && c.step == 0 ? fate::lose_answer : fate::pass;
    };
    s.add_candidate(leader, true);
    s.advance(leader, 2);
    s.pass(20min);
    BOOST_TEST_CONTEXT(kind) {
      BOOST_TEST(s.reached[leader] == 2);
      BOOST_TEST(s.events["worker_silent"] > 0);
      BOOST_TEST(s.weights_are(2));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_commit_that_a_whole_stage_has_lost_is_sent_until_it_is_there) {
  tapped_swarm s{2};
  int lost = 0;
  s.tap = [&](const tapped_call& c) {
    const bool loses = c.kind == "Commit" && c.worker <= 2 && c.step == 0 &&
                       lost < 6 * static_cast<int>(training::calls_max);
    if (loses) ++lost;
    return loses ? fate::lose : fate::pass;
  };
  s.add_candidate(leader, true);
  s.advance(leader, 3);
  s.pass(30min);
  BOOST_TEST(s.reached[leader] == 3);
  BOOST_TEST(lost == 6 * static_cast<int>(training::calls_max));
  BOOST_TEST(s.events.count("refetch") == 0U);
  BOOST_TEST(s.weights_are(3));
}

BOOST_AUTO_TEST_CASE(the_last_commit_of_a_run_is_sent_until_it_is_there) {
  tapped_swarm s{1};
  s.tap = [&](const tapped_call& c) {
    const bool loses = c.kind == "Commit" &&
                       s.sent("Commit", c.worker) <= 2 * static_cast<int>(training::calls_max);
    return loses ? fate::lose : fate::pass;
  };
  s.add_candidate(leader, true);
  s.advance(leader, 1);
  s.pass(10min);
  BOOST_TEST(s.weights_are(1));
}
