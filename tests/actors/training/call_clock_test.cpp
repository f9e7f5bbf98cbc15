#include "actors/training/call_clock.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/random.hpp"
#include "actors/training/retry_budget.hpp"

using swarm::splitmix64;
using swarm::training::call_clock;
using swarm::training::retry_budget;

namespace {

constexpr double first_s = 30;
constexpr double shortest_s = 2;
const swarm::worker_id usual{swarm::peer_id{1}, {}};
const swarm::worker_id stranger{swarm::peer_id{3}, {}};
const swarm::worker_id slow{swarm::peer_id{2}, {}};

call_clock fresh() {
  return call_clock{{first_s, shortest_s}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(until_a_stage_has_answered_it_has_the_first_limit) {
  auto clock = fresh();
  BOOST_TEST(clock.limit_s(usual, 1) == first_s);
  BOOST_TEST(clock.limit_s(usual, 3.5) == first_s);
  clock.answered(usual, 0.001, 1);
  BOOST_TEST(clock.limit_s(usual, 1) == shortest_s);
}

BOOST_AUTO_TEST_CASE(a_limit_is_for_the_work_of_the_call) {
  auto clock = fresh();
  for (int i = 0; i < 100; ++i)
    clock.answered(usual, 10, 1);
  BOOST_TEST(clock.limit_s(stranger, 1) == 20, boost::test_tools::tolerance(0.01));
  BOOST_TEST(clock.limit_s(stranger, 3.5) == 70, boost::test_tools::tolerance(0.01));
  // Twice that for one whose own answers are known.
  BOOST_TEST(clock.limit_s(usual, 1) == 40, boost::test_tools::tolerance(0.01));
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_known_to_be_slow_has_longer) {
  auto clock = fresh();
  clock.answered(slow, 50, 2);
  for (int i = 0; i < 100; ++i)
    clock.answered(usual, 10, 1);
  BOOST_TEST(clock.limit_s(usual, 1) < 50);
  BOOST_TEST(clock.limit_s(slow, 1) == 100);
  BOOST_TEST(clock.limit_s(slow, 2) == 200);
  clock.forget(slow);
  BOOST_TEST(clock.limit_s(slow, 1) == clock.limit_s(stranger, 1));
}

// A cut of 40 s made a limit of 900 s when what was waited for counted as what a worker takes.
BOOST_AUTO_TEST_CASE(a_limit_after_a_cut_is_no_multiple_of_the_cut) {
  auto clock = fresh();
  for (int i = 0; i < 100; ++i)
    clock.answered(usual, 0.1, 1);
  constexpr double cut_s = 40;
  double now = 0;
  while (now < cut_s) {
    const double sent = now;
    now += clock.limit_s(usual, 1);
    clock.timed_out(sent, now);
  }
  BOOST_TEST(clock.limit_s(usual, 1) <= cut_s);
}

BOOST_AUTO_TEST_CASE(usual_answers_are_in_time) {
  splitmix64 random{1};
  auto clock = fresh();
  int late = 0;
  for (int i = 0; i < 10'000; ++i) {
    // From a tenth of the mean to ten times the shortest.
    const double takes = 5 * (0.2 + 1.6 * random.unit());
    if (i > 0 && takes > clock.limit_s(usual, 1)) ++late;
    clock.answered(usual, takes, 1);
  }
  BOOST_TEST(late == 0);
}

BOOST_AUTO_TEST_CASE(a_stage_that_has_become_slow_is_waited_for_in_the_end) {
  auto clock = fresh();
  for (int i = 0; i < 100; ++i)
    clock.answered(usual, 1, 1);
  const double takes = 100;
  double now = 0;
  int tries = 0;
  while (clock.limit_s(usual, 1) < takes) {
    const double sent = now;
    now += clock.limit_s(usual, 1);
    // Eight were out together.
    for (int i = 0; i < 8; ++i)
      clock.timed_out(sent, now);
    BOOST_REQUIRE(++tries < 20);
  }
  BOOST_TEST(tries >= 4);
  // An answer that is lost now costs no more than what was waited for in vain.
  BOOST_TEST(clock.limit_s(usual, 1) < 2 * now);
  clock.answered(usual, takes, 1);
  BOOST_TEST(clock.limit_s(usual, 1) > takes / 2);
}

BOOST_AUTO_TEST_CASE(times_that_make_no_sense_are_not_observed) {
  auto clock = fresh();
  clock.answered(usual, -1, 1);
  clock.answered(usual, 1, 0);
  clock.answered(usual, std::nan(""), 1);
  BOOST_TEST(clock.limit_s(usual, 1) == first_s);
}

BOOST_AUTO_TEST_CASE(calls_made_again_are_a_share_of_those_that_succeed) {
  retry_budget budget{10};
  int again = 0;
  for (int i = 0; i < 1'000; ++i)
    again += budget.take() ? 1 : 0;
  BOOST_TEST(again == 10);
  for (int i = 0; i < 1'000; ++i) {
    budget.succeeded();
    again += budget.take() ? 1 : 0;
    again += budget.take() ? 1 : 0;
  }
  BOOST_TEST(again >= 10 + 1'000 * retry_budget::share - 1);
  BOOST_TEST(again <= 10 + 1'000 * retry_budget::share + 1);
}

BOOST_AUTO_TEST_CASE(quiet_times_do_not_save_up_for_ever) {
  retry_budget budget{10};
  for (int i = 0; i < 100'000; ++i)
    budget.succeeded();
  int again = 0;
  while (budget.take())
    ++again;
  BOOST_TEST(again == 10);
}
