#include <boost/test/unit_test.hpp>

#include "tests/actors/training/random_run.hpp"

/// Candidates that die anywhere and come back as standbys: the run goes on under somebody else, and
/// every microbatch still counts exactly once.

namespace {

using swarm::testing::check_runs;
using swarm::testing::setting;

}  // namespace

BOOST_AUTO_TEST_CASE(coordinators_that_die_anywhere_cost_no_gradient) {
  setting s;
  s.one_coordinator_kill_in = 150;
  s.steps = 10;
  for (int32_t stages : {1, 2, 3}) {
    for (uint64_t candidates : {2U, 3U}) {
      s.stages = stages;
      s.candidates = candidates;
      const auto events =
          check_runs(static_cast<uint64_t>(stages) * 1'000'000 + candidates * 100'000, 30, s);
      BOOST_TEST(events.at("coordinators killed") > 100);
      BOOST_TEST(events.at("coordinator_took_over") > 10);
      BOOST_TEST(events.at("commit_finished") > 0);
    }
  }
}

BOOST_AUTO_TEST_CASE(coordinators_workers_and_trainers_that_die_cost_no_gradient) {
  setting s;
  s.candidates = 3;
  s.trainers = 2;
  s.one_kill_in = 200;
  s.one_coordinator_kill_in = 300;
  for (int32_t stages : {1, 2, 3}) {
    s.stages = stages;
    const auto events = check_runs(20'000'000 + static_cast<uint64_t>(stages) * 1'000'000, 40, s);
    BOOST_TEST(events.at("killed") > 50);
    BOOST_TEST(events.at("coordinator_took_over") > 10);
  }
}

BOOST_AUTO_TEST_CASE(two_leaders_at_once_cost_no_gradient) {
  setting s;
  s.candidates = 3;
  s.trainers = 2;
  s.one_jump_in = 60;
  s.one_coordinator_kill_in = 400;
  const auto events = check_runs(30'000'000, 60, s);
  BOOST_TEST(events.at("coordinator_stands_down") > 10);
}

BOOST_AUTO_TEST_CASE(what_is_stored_outlives_workers_and_coordinators_together) {
  setting s;
  s.candidates = 3;
  s.trainers = 2;
  s.stores = true;
  s.one_kill_in = 100;
  s.one_coordinator_kill_in = 300;
  s.one_jump_in = 500;
  check_runs(40'000'000, 60, s);
}
