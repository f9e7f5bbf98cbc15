#include "tools/traces/generators.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>

using namespace swarm::tools;

namespace {

struct summary {
  double mean_live = 0;  ///< over time
  int64_t live_at_end = 0;
  int64_t preempted = 0;
  int64_t largest_loss = 0;  ///< at one moment
  bool is_sound = true;
};

summary summarize(const preemption_trace& trace) {
  summary s;
  auto live = trace.peers_at_start;
  double last = 0;
  double area = 0;
  for (const auto& c : trace.changes) {
    if (c.time_seconds < last || c.time_seconds > trace.end_seconds || c.delta == 0)
      s.is_sound = false;
    area += static_cast<double>(live) * (c.time_seconds - last);
    last = c.time_seconds;
    live += c.delta;
    if (live < 0) s.is_sound = false;
    s.preempted += std::max<int64_t>(0, -c.delta);
    s.largest_loss = std::max(s.largest_loss, -c.delta);
  }
  area += static_cast<double>(live) * (trace.end_seconds - last);
  s.mean_live = area / trace.end_seconds;
  s.live_at_end = live;
  return s;
}

}  // namespace

BOOST_AUTO_TEST_CASE(poisson_fleets_keep_the_balance_of_their_rates) {
  double live = 0;
  double preempted = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    poisson_trace_options options;
    options.seed = seed;
    const auto s = summarize(poisson_trace(options));
    BOOST_TEST(s.is_sound);
    BOOST_TEST(s.largest_loss == 1);
    live += s.mean_live / 20;
    preempted += static_cast<double>(s.preempted) / 20;
  }
  // 16 arrivals an hour and a mean life of 25 hours hold 400; 16 go every hour.
  BOOST_TEST(std::abs(live - 400) < 10);
  BOOST_TEST(std::abs(preempted - 512) < 25);
}

BOOST_AUTO_TEST_CASE(a_market_declines_to_what_is_asked) {
  double live = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    market_trace_options options;
    options.seed = seed;
    options.peers_at_end = 40;
    options.adjustments_per_hour = 4;
    const auto s = summarize(market_trace(options));
    BOOST_TEST(s.is_sound);
    live += static_cast<double>(s.live_at_end) / 20;
  }
  BOOST_TEST(std::abs(live - 40) < 8);
}

BOOST_AUTO_TEST_CASE(bursts_take_many_at_once_and_the_market_refills) {
  market_trace_options options;
  options.peers_at_end = options.peers_at_start;
  options.bursts_per_hour = 0.25;
  options.burst_share = 0.2;
  const auto s = summarize(market_trace(options));
  BOOST_TEST(s.is_sound);
  BOOST_TEST(s.largest_loss > 40);
  BOOST_TEST(s.live_at_end > 200);
}

BOOST_AUTO_TEST_CASE(a_seed_gives_one_trace) {
  const market_trace_options options;
  const auto first = market_trace(options);
  const auto second = market_trace(options);
  BOOST_TEST(first.changes.size() == second.changes.size());
  auto other = options;
  other.seed = 2;
  BOOST_TEST(market_trace(other).changes[0].time_seconds != first.changes[0].time_seconds);
}

BOOST_AUTO_TEST_CASE(quiet_fleets_do_not_change) {
  BOOST_TEST(poisson_trace({1, 32, 400, 0, 0}).changes.empty());
  market_trace_options options;
  options.peers_at_end = options.peers_at_start;
  options.preemptions_per_peer_hour = 0;
  BOOST_TEST(market_trace(options).changes.empty());
}
