#include "actors/stage/rate_meter.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/random.hpp"

using swarm::backward_work;
using swarm::forward_work;
using swarm::microbatch_work;
using swarm::splitmix64;
using swarm::stage::rate_meter;

namespace {

/// A meter whose worker has warmed up.
rate_meter warm() {
  rate_meter meter;
  for (uint32_t i = 0; i < rate_meter::warm_up_steps; ++i)
    meter.step_over();
  return meter;
}

/// One microbatch after the other.
void work(rate_meter& meter, double& now_s, double seconds, int times) {
  for (int i = 0; i < times; ++i) {
    meter.begin(now_s);
    meter.end(now_s += seconds, microbatch_work);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(idle_time_does_not_make_a_worker_slow) {
  auto meter = warm();
  for (int i = 0; i < 20; ++i) {
    meter.begin(100.0 * i);
    meter.end(100.0 * i + 0.5, microbatch_work);
  }
  BOOST_TEST(meter.rate() == 2, boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(requests_that_wait_for_each_other_are_not_counted_twice) {
  auto meter = warm();
  for (int i = 0; i < 40; ++i)
    meter.begin(0);
  BOOST_TEST(meter.queue() == 40U);
  for (int i = 1; i <= 40; ++i)
    meter.end(0.25 * i, microbatch_work);
  BOOST_TEST(meter.rate() == 4, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(meter.queue() == 0U);
}

BOOST_AUTO_TEST_CASE(nothing_is_known_before_so_many_blocks) {
  auto meter = warm();
  double now = 0;
  work(meter, now, 20, static_cast<int>(rate_meter::blocks_min) - 1);
  BOOST_TEST(meter.rate() == 0);
  work(meter, now, 20, 1);
  BOOST_TEST(meter.rate() == 0.05, boost::test_tools::tolerance(1e-9));
  // Short ones are put together, and halves are none.
  auto quick = warm();
  now = 0;
  work(quick, now, 0.01, 700);
  BOOST_TEST(quick.rate() == 0);
  work(quick, now, 0.01, 150);
  BOOST_TEST(quick.rate() == 100, boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(forwards_whose_backwards_have_not_come_are_no_microbatches) {
  auto meter = warm();
  double now = 0;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 3; ++i) {
      meter.begin(now);
      meter.end(now += 1, forward_work);
    }
    for (int i = 0; i < 3; ++i) {
      meter.begin(now);
      meter.end(now += 2.5, backward_work);
    }
  }
  BOOST_TEST(meter.rate() == 1 / 3.5, boost::test_tools::tolerance(0.02));
}

BOOST_AUTO_TEST_CASE(the_first_steps_do_not_count) {
  rate_meter meter;
  double now = 0;
  for (uint32_t i = 0; i < rate_meter::warm_up_steps; ++i) {
    work(meter, now, 30, 40);
    BOOST_TEST(meter.rate() == 0);
    meter.step_over();
  }
  work(meter, now, 2, 10);
  BOOST_TEST(meter.rate() == 0.5, boost::test_tools::tolerance(1e-9));
  meter.step_over();
  BOOST_TEST(meter.rate() == 0.5, boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(a_rate_that_is_told_is_near_the_true_one) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    splitmix64 random{seed};
    auto meter = warm();
    double now = 0;
    for (int i = 0; i < 400; ++i) {
      // From a tenth of the mean to 1.9 of it.
      work(meter, now, 3 * (0.1 + 1.8 * random.unit()), 1);
      if (meter.rate() > 0) BOOST_TEST(meter.rate() == 1.0 / 3, boost::test_tools::tolerance(0.6));
    }
    BOOST_TEST(meter.rate() > 0);
    BOOST_TEST(meter.rate() == 1.0 / 3, boost::test_tools::tolerance(0.25));
  }
}

BOOST_AUTO_TEST_CASE(a_worker_that_has_become_slow_is_soon_known_as_slow) {
  auto meter = warm();
  double now = 0;
  work(meter, now, 0.01, 100'000);
  work(meter, now, 1, 400);
  BOOST_TEST(meter.rate() < 1.1);
  BOOST_TEST(meter.rate() > 0.9);
}
