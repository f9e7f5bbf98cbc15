// The default policy: the shortest wait.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "actors/random.hpp"
#include "tests/actors/wiring/closed_loop.hpp"

namespace {

using namespace swarm;
using namespace swarm::wiring;
using testing::closed_loop;
using testing::modelled_peer;
using testing::worker;

constexpr auto ours = policy_kind::shortest_wait;

struct measured {
  double of_the_rates = 0;   ///< throughput / sum of the rates
  double least_fair = 1e30;  ///< smallest (share / rate), the mean is 1
  double most_fair = 0;
};

measured measure(closed_loop& loop, const std::vector<modelled_peer>& peers, double from_s,
                 double seconds) {
  loop.run_until(from_s);
  loop.forget_counts();
  loop.run_until(from_s + seconds);
  double rates = 0;
  for (const auto& p : peers)
    rates += p.units_per_s;
  measured found;
  found.of_the_rates = static_cast<double>(loop.replies()) / seconds / rates;
  for (size_t p = 0; p < peers.size(); ++p) {
    const double fair = loop.share(p) * rates / peers[p].units_per_s;
    found.least_fair = std::min(found.least_fair, fair);
    found.most_fair = std::max(found.most_fair, fair);
  }
  return found;
}

/// Calls in flight that keep everybody busy: those on the lines, and `waiting` more per peer.
size_t enough_calls(const std::vector<modelled_peer>& peers, double waiting) {
  double calls = waiting * static_cast<double>(peers.size());
  for (const auto& p : peers)
    calls += p.units_per_s * p.round_trip_s;
  return static_cast<size_t>(std::ceil(calls));
}

std::unique_ptr<routing_policy> with_peers(uint64_t count) {
  auto router = make_policy(ours, 1);
  for (uint64_t p = 0; p < count; ++p)
    router->add_peer(worker(p), 0);
  return router;
}

void call(routing_policy& router, worker_id w, double now_s, double seconds) {
  router.on_dispatch(w, 1);
  router.on_success(w, now_s, seconds, 1);
}

}  // namespace

BOOST_AUTO_TEST_CASE(it_is_the_default) {
  BOOST_TEST((default_policy == ours));
}

BOOST_AUTO_TEST_CASE(shares_follow_the_rates_of_random_fleets) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    splitmix64 random{seed};
    std::vector<modelled_peer> peers(2 + random.below(11));
    for (auto& p : peers)
      p = {std::exp2(4 * random.unit()), 0.1 * random.unit()};  // x1 to x16, 0 to 100 ms
    const size_t trainers = 1 + random.below(4);
    const size_t in_flight = enough_calls(peers, 8) / trainers + 1;
    closed_loop loop(peers, ours, trainers, in_flight, seed);
    const auto found = measure(loop, peers, 60, 600);
    BOOST_TEST(found.of_the_rates >= 0.97, "seed " << seed << ": " << found.of_the_rates);
    BOOST_TEST(found.least_fair >= 0.9, "seed " << seed << ": " << found.least_fair);
    BOOST_TEST(found.most_fair <= 1.1, "seed " << seed << ": " << found.most_fair);
  }
}

BOOST_AUTO_TEST_CASE(a_long_line_costs_a_peer_little_of_its_share) {
  std::vector<modelled_peer> peers;
  for (double speed : {1, 2, 4, 8})
    for (double round_trip_s : {0.004, 0.1})
      peers.push_back({10 * speed, round_trip_s});
  closed_loop loop(peers, ours, 2, enough_calls(peers, 8) / 2, 1);
  const auto found = measure(loop, peers, 60, 300);
  BOOST_TEST(found.of_the_rates >= 0.97);
  BOOST_TEST(found.least_fair >= 0.9);
}

BOOST_AUTO_TEST_CASE(a_few_fast_peers_are_not_slowed_down_by_many_slow_ones) {
  std::vector<modelled_peer> peers(8, {1, 0.05});
  peers.insert(peers.end(), 2, {8, 0.05});
  for (size_t trainers : {1, 2, 10}) {
    closed_loop loop(peers, ours, trainers, 40 / trainers, 7);
    BOOST_TEST(measure(loop, peers, 100, 1000).of_the_rates >= 0.95, trainers << " trainers");
  }
}

BOOST_AUTO_TEST_CASE(with_few_calls_the_fast_are_preferred) {
  const std::vector<modelled_peer> peers = {{1, 0}, {1, 0}, {1, 0}, {16, 0}};
  closed_loop mine(peers, ours, 1, 3, 1);
  closed_loop theirs(peers, policy_kind::interleaved_weighted_round_robin, 1, 3, 1);
  const double rate = measure(mine, peers, 60, 600).of_the_rates;
  BOOST_TEST(rate > 1.1 * measure(theirs, peers, 60, 600).of_the_rates);
}

BOOST_AUTO_TEST_CASE(a_peer_that_becomes_ten_times_slower_delays_few_calls) {
  const std::vector<modelled_peer> before(4, {10, 0.01});
  closed_loop loop(before, ours, 2, 12, 1);
  loop.run_until(60);
  loop.set_speed(0, 1);
  auto after = before;
  after[0].units_per_s = 1;
  // What it has in its queue keeps those calls from the others.
  BOOST_TEST(measure(loop, after, 61, 10).of_the_rates >= 0.9);
  BOOST_TEST(measure(loop, after, 80, 100).of_the_rates >= 0.97);
}

BOOST_AUTO_TEST_CASE(a_peer_that_hangs_takes_few_calls_with_it) {
  auto router = with_peers(4);
  for (int i = 0; i < 400; ++i)
    call(*router, worker(i % 4), i, 1);
  // Each of the others holds two calls; nothing comes back from the first.
  for (uint64_t p = 1; p < 4; ++p)
    for (int k = 0; k < 2; ++k)
      router->on_dispatch(worker(p), 1);
  int lost = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto w = router->pick(400, 1).value();
    router->on_dispatch(w, 1);
    if (w == worker(0)) {
      ++lost;
    } else {
      router->on_success(w, 400, 1, 1);
    }
  }
  BOOST_TEST(lost >= 2);
  BOOST_TEST(lost <= 4);
}

BOOST_AUTO_TEST_CASE(calls_sent_unasked_count_while_they_are_out) {
  auto router = with_peers(2);
  for (int i = 0; i < 20; ++i)
    call(*router, worker(i % 2), i, 1);
  for (int k = 0; k < 3; ++k)
    router->on_dispatch(worker(0), 2.5);
  for (int k = 0; k < 7; ++k) {
    BOOST_TEST(router->pick(20, 1).value() == worker(1));
    router->on_dispatch(worker(1), 1);
  }
  for (int k = 0; k < 3; ++k)
    router->on_success(worker(0), 21, 2.5, 2.5);
  BOOST_TEST(router->pick(21, 1).value() == worker(0));
}

BOOST_AUTO_TEST_CASE(a_peer_that_looked_slow_is_asked_again_and_judged_by_its_answer) {
  auto router = with_peers(2);
  double now_s = 0;
  for (int i = 0; i < 50; ++i) {
    const double seconds = i % 2 == 0 ? 1 : 100;
    now_s += seconds;
    call(*router, worker(i % 2), now_s, seconds);
  }
  int asked = 0;
  for (int i = 1; i < 1600; ++i) {  // eight calls of 100 s, times two peers
    const auto w = router->pick(now_s + i, 1).value();
    asked += w == worker(1) ? 1 : 0;
    call(*router, w, now_s + i, 1);
  }
  BOOST_TEST(asked == 0);
  BOOST_TEST(router->pick(now_s + 1600, 1).value() == worker(1));
  call(*router, worker(1), now_s + 1601, 1);
  BOOST_TEST(*router->estimate(worker(1)) == 1);
}
