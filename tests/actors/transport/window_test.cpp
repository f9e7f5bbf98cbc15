#include "actors/transport/window.hpp"

#include <boost/test/unit_test.hpp>
#include <deque>
#include <map>

using namespace swarm::transport;
using namespace std::chrono_literals;

namespace {

constexpr size_t bytes_max = size_t{16} << 20;
constexpr size_t packet = size_t{16} << 10;

/// A link with one bottleneck of so many bytes per second, and so much time to and fro besides; the
/// sender always has more. The far side tells after each packet.
class modelled_link {
 public:
  modelled_link(double bytes_per_s, std::chrono::nanoseconds round_trip)
      : bytes_per_s_(bytes_per_s), round_trip_(round_trip) {}

  /// Sends whatever the window lets out, until then.
  void run(moment until) {
    while (now < until) {
      while (sender.room() >= packet) {
        sent_ += packet;
        sender.sent(packet, now);
        const auto start = std::max(now, free_at_);
        free_at_ = start + moment{static_cast<int64_t>(packet / bytes_per_s_ * 1e9)};
        queueing = free_at_ - now;
        credits_.emplace_back(free_at_ + round_trip_, sent_);
      }
      sender.was_short();
      now = credits_.front().first;
      BOOST_REQUIRE(sender.credited(credits_.front().second, now));
      credited += packet;
      credits_.pop_front();
    }
  }

  void set_rate(double bytes_per_s) { bytes_per_s_ = bytes_per_s; }
  void set_round_trip(std::chrono::nanoseconds trip) { round_trip_ = trip; }

  window sender{bytes_max, 20ms};
  moment now{0};
  std::chrono::nanoseconds queueing{0};
  uint64_t credited = 0;

 private:
  double bytes_per_s_;
  std::chrono::nanoseconds round_trip_;
  uint64_t sent_ = 0;
  moment free_at_{0};
  std::deque<std::pair<moment, uint64_t>> credits_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(the_queue_settles_near_the_target_and_the_link_is_full) {
  for (const double rate : {12.5e6, 25e6, 125e6}) {
    for (const auto trip : {100us, 10'000us, 100'000us}) {
      modelled_link link{rate, trip};
      link.run(3s);
      const auto before = link.credited;
      const auto from = link.now;
      link.run(6s);
      const std::chrono::duration<double> passed = link.now - from;
      const double used = static_cast<double>(link.credited - before) / passed.count() / rate;
      BOOST_TEST(used > 0.9, "rate " << rate << ", trip " << trip.count() << " us: " << used);
      BOOST_TEST((link.queueing < 30ms), link.queueing.count());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_fast_link_gets_the_largest_window) {
  modelled_link link{4e9, 50us};
  link.run(100ms);
  BOOST_TEST(link.sender.size() == bytes_max);
}

BOOST_AUTO_TEST_CASE(a_slow_link_keeps_the_smallest_window) {
  modelled_link link{1e5, 1ms};
  link.run(60s);
  BOOST_TEST(link.sender.size() <= window_bytes_min + window_bytes_min / 4);
}

BOOST_AUTO_TEST_CASE(a_link_that_becomes_slow_is_noticed) {
  modelled_link link{125e6, 1ms};
  link.run(2s);
  link.set_rate(25e6);
  link.run(4s);
  BOOST_TEST((link.queueing < 30ms), link.queueing.count());
}

BOOST_AUTO_TEST_CASE(the_queue_does_not_creep_up_while_nobody_sees_the_link_empty) {
  modelled_link link{25e6, 5ms};
  for (auto until = 5s; until <= 120s; until += 5s) {
    link.run(until);
    BOOST_TEST((link.queueing < 40ms), link.queueing.count());
  }
}

BOOST_AUTO_TEST_CASE(a_way_that_becomes_longer_is_learned) {
  modelled_link link{25e6, 1ms};
  link.run(5s);
  link.set_round_trip(60ms);
  link.run(60s);
  const auto before = link.credited;
  const auto from = link.now;
  link.run(70s);
  const std::chrono::duration<double> passed = link.now - from;
  BOOST_TEST(static_cast<double>(link.credited - before) / passed.count() > 0.9 * 25e6);
  BOOST_TEST((link.queueing < 40ms), link.queueing.count());
}

BOOST_AUTO_TEST_CASE(a_window_that_is_not_used_does_not_grow) {
  window sender{bytes_max, 20ms};
  const auto before = sender.size();
  uint64_t total = 0;
  for (auto now = 0ms; now < 1000ms; now += 1ms) {
    sender.sent(1000, now);
    total += 1000;
    BOOST_REQUIRE(sender.credited(total, now + 500us));
  }
  BOOST_TEST(sender.size() == before);
}

BOOST_AUTO_TEST_CASE(credit_for_what_was_not_sent_is_refused) {
  window sender{bytes_max, 20ms};
  sender.sent(1000, 1ms);
  BOOST_TEST(!sender.credited(1001, 2ms));
  BOOST_TEST(sender.credited(600, 2ms));
  BOOST_TEST(sender.in_flight() == 400U);
  // An older one, late.
  BOOST_TEST(sender.credited(500, 3ms));
  BOOST_TEST(sender.in_flight() == 400U);
}

BOOST_AUTO_TEST_CASE(the_window_stays_within_its_bounds_whatever_is_measured) {
  window sender{bytes_max, 20ms};
  uint64_t total = 0;
  auto now = moment{0};
  for (int i = 0; i < 5000; ++i) {
    const auto room = sender.room();
    sender.sent(room, now);
    total += room;
    sender.was_short();
    now += (i * 7919) % 13 == 0 ? moment{3s} : moment{i % 1000};
    BOOST_REQUIRE(sender.credited(total, now));
    BOOST_TEST(sender.size() >= window_bytes_drained);
    BOOST_TEST(sender.size() <= bytes_max);
  }
}
