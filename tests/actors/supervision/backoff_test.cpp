#include "actors/supervision/backoff.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace {

using namespace swarm::supervision;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

backoff_options plain() {
  return {milliseconds{100}, milliseconds{10'000}, 2.0, 0.0};
}

std::vector<nanoseconds> schedule(const backoff_options& options, std::uint64_t seed) {
  std::mt19937_64 generator{seed};
  std::vector<nanoseconds> delays;
  for (std::uint32_t failures = 0; failures < 20; ++failures)
    delays.push_back(backoff_delay(options, failures, generator));
  return delays;
}

}  // namespace

BOOST_AUTO_TEST_CASE(delays_grow_by_the_factor_up_to_the_maximum) {
  const auto delays = schedule(plain(), 1);
  for (int i = 0; i < 7; ++i)
    BOOST_TEST((delays[i] == milliseconds{100 << i}), "failure " << i);
  for (int i = 7; i < 20; ++i)
    BOOST_TEST((delays[i] == milliseconds{10'000}), "failure " << i);
}

BOOST_AUTO_TEST_CASE(jitter_spreads_within_its_bounds) {
  auto options = plain();
  options.jitter = 0.25;
  std::mt19937_64 generator{7};
  auto least = nanoseconds::max();
  auto most = nanoseconds::min();
  for (int i = 0; i < 2000; ++i) {
    const auto delay = backoff_delay(options, 3, generator);
    least = std::min(least, delay);
    most = std::max(most, delay);
  }
  BOOST_TEST((least >= milliseconds{600} && least < milliseconds{610}));
  BOOST_TEST((most <= milliseconds{1000} && most > milliseconds{990}));
}

BOOST_AUTO_TEST_CASE(jitter_never_leaves_minimum_and_maximum) {
  auto options = plain();
  options.jitter = 0.9;
  for (std::uint64_t seed = 0; seed < 200; ++seed)
    for (const auto delay : schedule(options, seed))
      BOOST_TEST((delay >= options.min && delay <= options.max));
}

BOOST_AUTO_TEST_CASE(a_seed_determines_the_delays) {
  auto options = plain();
  options.jitter = 0.5;
  BOOST_TEST((schedule(options, 42) == schedule(options, 42)));
  BOOST_TEST((schedule(options, 42) != schedule(options, 43)));
}

BOOST_AUTO_TEST_CASE(every_delay_costs_one_draw) {
  std::mt19937_64 drawn{5};
  std::mt19937_64 reference{5};
  backoff_delay(plain(), 0, drawn);
  reference.discard(1);
  BOOST_TEST((drawn == reference));
}

BOOST_AUTO_TEST_CASE(countless_failures_do_not_overflow) {
  std::mt19937_64 generator{1};
  const auto most = std::numeric_limits<std::uint32_t>::max();
  BOOST_TEST((backoff_delay(plain(), most, generator) == milliseconds{10'000}));
  auto none = plain();
  none.min = milliseconds{0};
  BOOST_TEST((backoff_delay(none, most, generator) == milliseconds{0}));
}

BOOST_AUTO_TEST_CASE(senseless_options_are_refused) {
  BOOST_TEST(complaint(plain()) == nullptr);
  BOOST_TEST(complaint(backoff_options{}) == nullptr);
  const auto refused = [](auto spoil) {
    auto options = plain();
    spoil(options);
    return complaint(options) != nullptr;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  BOOST_TEST(refused([](auto& o) { o.min = milliseconds{-1}; }));
  BOOST_TEST(refused([](auto& o) { o.max = milliseconds{99}; }));
  BOOST_TEST(refused([](auto& o) { o.max = milliseconds::max(); }));
  BOOST_TEST(refused([](auto& o) { o.factor = 0.5; }));
  BOOST_TEST(refused([nan](auto& o) { o.factor = nan; }));
  BOOST_TEST(refused([](auto& o) { o.jitter = 1.0; }));
  BOOST_TEST(refused([nan](auto& o) { o.jitter = nan; }));
  BOOST_TEST(refused([](auto& o) { o.reset_after = milliseconds{-1}; }));
}
