#include "actors/stage/call_history.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/random.hpp"

using namespace swarm::stage;
using outcome = call_history::outcome;
using verdict = call_history::verdict;

namespace {

constexpr size_t forward = 0;
constexpr size_t backward = 1;
constexpr size_t kinds = 2;

/// One call after the other, each so long.
void work(call_history& device, double& now_s, size_t kind, double seconds, int times,
          outcome what = outcome::done) {
  for (int i = 0; i < times; ++i) {
    const auto call = device.begin(kind, now_s);
    const double ends_s = now_s + seconds;
    while (now_s + device.look_period_s() < ends_s)
      device.look(now_s += device.look_period_s());
    device.end(call, what, now_s = ends_s);
  }
}

/// Until it is no longer fine, or `seconds` have passed.
double wait(call_history& device, double& now_s, double seconds) {
  const double begun_s = now_s;
  while (device.now() == verdict::fine && now_s < begun_s + seconds)
    device.look(now_s += device.look_period_s());
  return now_s - begun_s;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_call_that_takes_many_times_what_its_kind_takes_is_a_hang) {
  call_history device{kinds, {}};
  double now = 0;
  work(device, now, forward, 10, 20);
  BOOST_TEST(device.limit_s(forward) == 200, boost::test_tools::tolerance(1e-9));
  device.begin(forward, now);
  const double waited = wait(device, now, 1'000);
  BOOST_TEST((device.now() == verdict::hung));
  BOOST_TEST(waited >= 200);
  BOOST_TEST(waited <= 200 + 2 * device.look_period_s());
}

BOOST_AUTO_TEST_CASE(each_kind_has_its_own_history) {
  call_history device{kinds, {}};
  double now = 0;
  work(device, now, forward, 5, 20);
  work(device, now, backward, 50, 20);
  BOOST_TEST(device.limit_s(forward) == 100, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(device.limit_s(backward) == 1'000, boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(short_calls_have_a_least_limit_and_first_ones_a_long_one) {
  const call_history::options given;
  call_history device{kinds, given};
  double now = 0;
  BOOST_TEST(device.limit_s(forward) == given.first_s);
  work(device, now, forward, 0.001, 20);
  BOOST_TEST(device.limit_s(forward) == given.shortest_s);
  BOOST_TEST(device.limit_s(backward) == given.first_s);
  work(device, now, forward, 100, 200);
  BOOST_TEST(device.limit_s(backward) > given.first_s);
}

BOOST_AUTO_TEST_CASE(calls_that_wait_for_each_other_are_not_slow) {
  call_history device{kinds, {}};
  double now = 0;
  work(device, now, forward, 2, 20);
  // A hundred at once: the last one's answer takes 200 s, and none of them is late.
  std::vector<uint64_t> calls;
  for (int i = 0; i < 100; ++i)
    calls.push_back(device.begin(forward, now));
  for (const auto call : calls) {
    device.look(now += 1);
    device.end(call, outcome::done, now += 1);
  }
  BOOST_TEST((device.now() == verdict::fine));
  BOOST_TEST(!device.busy());
  BOOST_TEST(device.limit_s(forward) == 40, boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(a_process_that_was_stopped_for_an_hour_is_not_a_hang) {
  call_history device{kinds, {}};
  double now = 0;
  work(device, now, forward, 1, 20);
  const auto call = device.begin(forward, now);
  device.look(now += 3'600);
  BOOST_TEST((device.now() == verdict::fine));
  device.end(call, outcome::done, now += 1);
  BOOST_TEST((device.now() == verdict::fine));
  // Nor does the hour count as the call's time for good.
  BOOST_TEST(device.limit_s(forward) < 200);
}

BOOST_AUTO_TEST_CASE(failures_in_a_row_of_one_kind_are_a_failing_device) {
  call_history device{kinds, {}};
  double now = 0;
  // Forwards go on to work.
  for (int i = 0; i < 2; ++i) {
    work(device, now, backward, 1, 1, outcome::failed);
    work(device, now, forward, 1, 1);
  }
  BOOST_TEST((device.now() == verdict::fine));
  work(device, now, backward, 1, 1, outcome::failed);
  BOOST_TEST((device.now() == verdict::failing));
  // For good.
  work(device, now, backward, 1, 5);
  BOOST_TEST((device.now() == verdict::failing));
}

BOOST_AUTO_TEST_CASE(a_failure_now_and_then_and_refusals_say_nothing) {
  call_history device{kinds, {}};
  double now = 0;
  for (int i = 0; i < 100; ++i) {
    work(device, now, forward, 1, 2, outcome::failed);
    work(device, now, forward, 1, 1);
    work(device, now, backward, 1, 5, outcome::refused);
  }
  BOOST_TEST((device.now() == verdict::fine));
}

BOOST_AUTO_TEST_CASE(an_idle_device_never_hangs) {
  call_history device{kinds, {}};
  double now = 0;
  work(device, now, forward, 1, 10);
  BOOST_TEST(wait(device, now, 1e6) >= 1e6);
  BOOST_TEST((device.now() == verdict::fine));
}

BOOST_AUTO_TEST_CASE(whatever_order_the_answers_come_in_its_invariants_hold) {
  swarm::splitmix64 random{4};
  for (int round = 0; round < 200; ++round) {
    call_history device{kinds, {}};
    double now = 0;
    std::vector<uint64_t> out;
    for (int i = 0; i < 300; ++i) {
      now += random.unit();
      if (random.below(2) == 0 || out.empty()) {
        out.push_back(device.begin(random.below(kinds), now));
      } else {
        const auto which = random.below(out.size());
        device.end(out[which], random.below(20) == 0 ? outcome::failed : outcome::done, now);
        out.erase(out.begin() + static_cast<std::ptrdiff_t>(which));
      }
      device.look(now);
      BOOST_REQUIRE(device.busy() == !out.empty());
      BOOST_REQUIRE((device.now() != verdict::hung));
    }
  }
}
