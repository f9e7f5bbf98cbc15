#include "actors/transport/heartbeat.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/random.hpp"

using namespace swarm;
using namespace swarm::transport;
using namespace std::chrono_literals;

namespace {

constexpr auto interval = 250ms;
constexpr auto timeout = 1000ms;

/// Ticks at its own pace, each late by up to `late`, until it says silent or the time is over.
moment silent_at(heartbeat& pace, moment from, moment until, uint64_t seed = 1,
                 std::chrono::milliseconds late = 0ms) {
  splitmix64 draw{seed};
  for (auto now = from; now < until;) {
    now += pace.tick_period() + late * draw.below(100) / 100;
    if (pace.tick(now).silent) return now;
  }
  return until;
}

}  // namespace

BOOST_AUTO_TEST_CASE(silence_is_noticed_within_half_the_timeout_more) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    heartbeat pace{interval, timeout, 0s};
    const auto found = silent_at(pace, 0s, 10s, seed, 60ms);
    BOOST_TEST((found >= timeout), found.count());
    BOOST_TEST((found <= timeout + timeout / 2), found.count());
  }
}

BOOST_AUTO_TEST_CASE(a_far_side_that_is_heard_is_not_silent) {
  heartbeat pace{interval, timeout, 0s};
  moment now{0};
  for (int i = 0; i < 100; ++i) {
    BOOST_REQUIRE((silent_at(pace, now, now + 800ms) == now + 800ms));
    now += 900ms;
    pace.heard(now);
  }
}

BOOST_AUTO_TEST_CASE(beats_are_an_interval_apart) {
  heartbeat pace{interval, timeout, 0s};
  int beats = 0;
  for (auto now = moment{0}; now < 10s; now += pace.tick_period()) {
    pace.heard(now);
    if (pace.tick(now).beat) ++beats;
  }
  BOOST_TEST(beats >= 32);
  BOOST_TEST(beats <= 41);
}

BOOST_AUTO_TEST_CASE(a_process_that_was_stopped_reads_before_it_judges) {
  heartbeat pace{interval, timeout, 0s};
  const auto stopped = silent_at(pace, 0s, 900ms);
  const auto resumed = stopped + 60s;
  BOOST_TEST(!pace.tick(resumed).silent);
  // Now what waited is read.
  pace.heard(resumed + 1ms);
  BOOST_TEST((silent_at(pace, resumed, resumed + 500ms) == resumed + 500ms));
}

BOOST_AUTO_TEST_CASE(a_process_that_was_stopped_judges_soon_after) {
  heartbeat pace{interval, timeout, 0s};
  const auto stopped = silent_at(pace, 0s, 900ms);
  const auto resumed = stopped + 60s;
  BOOST_TEST(!pace.tick(resumed).silent);
  BOOST_TEST((silent_at(pace, resumed, resumed + 10s) <= resumed + timeout));
}
