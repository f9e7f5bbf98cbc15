#include "actors/rebalancing/swarm_view.hpp"

#include <boost/test/unit_test.hpp>
#include <limits>

#include "tests/actors/rebalancing/views.hpp"

using namespace swarm;
using namespace swarm::rebalancing;

BOOST_AUTO_TEST_CASE(a_pipeline_is_as_fast_as_its_slowest_stage) {
  const auto view = equal_workers({3, 1, 2});
  const rate_estimate rates{view};
  BOOST_TEST(rates.serving()[0] == 3.0);
  BOOST_TEST(pipeline_throughput(rates.serving()) == 1.0);
  BOOST_TEST(pipeline_throughput({}) == 0.0);
}

BOOST_AUTO_TEST_CASE(who_joins_counts_for_later_with_what_its_device_promises) {
  auto view = equal_workers({2, 1});
  for (auto& w : view.workers)
    w.microbatches_per_second = 5;
  view.workers.push_back(worker(9, 1, worker_state::joining, 0, 3));
  const rate_estimate rates{view};
  BOOST_TEST(rates.serving()[1] == 5.0);
  BOOST_TEST(rates.settled()[1] == 20.0);
  BOOST_TEST(rates.serving_count()[1] == 1U);
  BOOST_TEST(rates.live_count()[1] == 2U);
}

BOOST_AUTO_TEST_CASE(a_rate_at_another_stage_follows_from_the_work) {
  auto view = equal_workers({1, 1});
  view.stages[1].relative_work = 4;
  view.workers[1].microbatches_per_second = 0.25;
  const rate_estimate rates{view};
  BOOST_TEST(rates.rate(view.workers[0], stage_id{1}) == 0.25);
  BOOST_TEST(rates.rate(view.workers[1], stage_id{0}) == 1.0);
  BOOST_TEST(rates.rate(2.0, stage_id{1}) == 0.5);
}

BOOST_AUTO_TEST_CASE(noise_is_not_a_difference_and_a_bad_line_is) {
  auto view = equal_workers({20, 20});
  view.workers[0].microbatches_per_second = 1.05;
  view.workers[1].microbatches_per_second = 0.95;
  view.workers[2].microbatches_per_second = 0.5;
  const rate_estimate rates{view};
  const auto at_home = [&](size_t i) { return rates.rate(view.workers[i], stage_id{0}); };
  BOOST_TEST(at_home(0) == at_home(3));
  BOOST_TEST(at_home(1) == at_home(3));
  BOOST_TEST(at_home(2) == 0.5);
}

BOOST_AUTO_TEST_CASE(old_records_and_stages_that_do_not_exist_are_ignored) {
  auto view = equal_workers({1, 1});
  view.workers.push_back(worker(8, 2));
  view.workers.push_back(worker(9, -1));
  view.workers.push_back(worker(10, 0));
  view.workers.back().age = seconds{1e4};
  const rate_estimate rates{view};
  BOOST_TEST(rates.settled()[0] == 1.0);
  BOOST_TEST(rates.live_count()[0] == 1U);
}

BOOST_AUTO_TEST_CASE(nonsense_counts_as_not_said) {
  auto view = equal_workers({1, 1});
  view.workers[0].relative_speed = -1;
  view.workers[1].microbatches_per_second = std::numeric_limits<double>::quiet_NaN();
  view.workers[1].bytes_per_second = -5;
  const rate_estimate rates{view};
  BOOST_TEST(rates.settled()[0] == 1.0);
  BOOST_TEST(rates.settled()[1] == 1.0);
  BOOST_TEST(rates.transfer(view.workers[1], stage_id{0}).count() == 40.0);
}
