#include <boost/test/unit_test.hpp>

#include "tests/actors/training/random_run.hpp"

namespace {

using swarm::testing::check_runs;
using swarm::testing::setting;

}  // namespace

BOOST_AUTO_TEST_CASE(any_order_of_events_trains_the_same_weights) {
  setting s;
  s.stages = 3;
  s.trainers = 2;
  check_runs(0, 60, s);
}

BOOST_AUTO_TEST_CASE(workers_and_trainers_that_die_anywhere_cost_no_gradient) {
  setting s;
  s.one_kill_in = 150;
  s.steps = 12;
  for (int32_t stages : {1, 2, 3}) {
    for (uint64_t trainers : {1U, 2U}) {
      s.stages = stages;
      s.trainers = trainers;
      const auto events =
          check_runs(static_cast<uint64_t>(stages) * 1'000'000 + trainers * 100'000, 60, s);
      BOOST_TEST(events.at("killed") > 200);
      BOOST_TEST(events.count("rework") == 1U);
    }
  }
}

BOOST_AUTO_TEST_CASE(requests_that_time_out_on_their_way_cost_no_gradient) {
  setting s;
  s.stages = 2;
  s.trainers = 2;
  s.one_jump_in = 60;
  check_runs(5'000'000, 200, s);
}

BOOST_AUTO_TEST_CASE(without_memory_everything_is_computed_again) {
  setting s;
  s.stages = 3;
  s.one_kill_in = 150;
  s.activation_cache_bytes = 0;
  s.saved_bytes_max = 0;
  check_runs(9'000'000, 100, s);
}

BOOST_AUTO_TEST_CASE(downloads_that_take_many_steps_are_followed) {
  setting s;
  s.stages = 2;
  s.steps = 16;
  s.one_kill_in = 150;
  s.chunk_bytes = 4;
  const auto events = check_runs(10'000'000, 60, s);
  BOOST_TEST(events.at("joined") > 100);
}

BOOST_AUTO_TEST_CASE(workers_that_resume_what_they_stored_may_all_die_at_once) {
  setting s;
  s.one_kill_in = 60;
  s.stores = true;
  s.stages = 2;
  s.trainers = 2;
  const auto events = check_runs(11'000'000, 60, s);
  BOOST_TEST(events.at("killed") > 200);
}
