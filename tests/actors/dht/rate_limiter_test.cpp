#include "actors/dht/rate_limiter.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/random.hpp"

using namespace swarm::dht;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_CASE(a_source_has_its_burst_and_then_its_rate) {
  rate_limiter limiter{{10, 5, 16}};
  int allowed = 0;
  for (int i = 0; i < 100; ++i)
    allowed += limiter.allow(1, 0ms);
  BOOST_TEST(allowed == 5);
  for (int i = 0; i < 100; ++i)
    allowed += limiter.allow(1, moment{1'000 + i});
  // Half a second fills the burst; the 99 ms bring less than one more.
  BOOST_TEST(allowed == 10);
  BOOST_TEST(limiter.allow(2, 0ms));
}

BOOST_AUTO_TEST_CASE(over_any_time_nobody_gets_more_than_burst_and_rate) {
  swarm::splitmix64 random{1};
  rate_limiter limiter{{100, 20, 16}};
  double allowed = 0;
  moment now{0};
  for (int i = 0; i < 5'000; ++i) {
    now += moment{random.below(5)};
    allowed += limiter.allow(7, now);
  }
  BOOST_TEST(allowed <= 20 + 100 * static_cast<double>(now.count()) / 1'000);
  BOOST_TEST(allowed >= 95 * static_cast<double>(now.count()) / 1'000);
}

BOOST_AUTO_TEST_CASE(the_longest_silent_source_is_forgotten) {
  rate_limiter limiter{{1, 1, 2}};
  BOOST_TEST(limiter.allow(1, 0ms));
  BOOST_TEST(limiter.allow(2, 0ms));
  BOOST_TEST(!limiter.allow(1, 0ms));
  BOOST_TEST(limiter.allow(3, 0ms));
  BOOST_TEST(limiter.sources() == 2U);
  BOOST_TEST(!limiter.allow(1, 0ms));
  BOOST_TEST(limiter.allow(2, 0ms));
}
