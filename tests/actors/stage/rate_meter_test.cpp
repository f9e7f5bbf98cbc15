#include "actors/stage/rate_meter.hpp"

#include <boost/test/unit_test.hpp>

using swarm::stage::microbatch_work;
using swarm::stage::rate_meter;

BOOST_AUTO_TEST_CASE(idle_time_does_not_make_a_worker_slow) {
  rate_meter meter;
  for (int i = 0; i < 10; ++i) {
    meter.begin(100.0 * i);
    meter.end(100.0 * i + 0.5, microbatch_work);
  }
  BOOST_TEST(meter.rate() == 2, boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(requests_that_wait_for_each_other_are_not_counted_twice) {
  rate_meter meter;
  for (int i = 0; i < 4; ++i)
    meter.begin(0);
  BOOST_TEST(meter.queue() == 4U);
  for (int i = 1; i <= 4; ++i)
    meter.end(0.25 * i, microbatch_work);
  BOOST_TEST(meter.rate() == 4, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(meter.queue() == 0U);
}

BOOST_AUTO_TEST_CASE(nothing_is_known_before_the_first_microbatch) {
  rate_meter meter;
  meter.begin(0);
  meter.end(1, microbatch_work / 3);
  BOOST_TEST(meter.rate() == 0);
}

BOOST_AUTO_TEST_CASE(a_worker_that_has_become_slow_is_soon_known_as_slow) {
  rate_meter meter;
  double now = 0;
  const auto work = [&](double seconds, int times) {
    for (int i = 0; i < times; ++i) {
      meter.begin(now);
      meter.end(now += seconds, microbatch_work);
    }
  };
  work(0.01, 100'000);
  work(1, 400);
  BOOST_TEST(meter.rate() < 1.5);
  BOOST_TEST(meter.rate() > 0.9);
}
