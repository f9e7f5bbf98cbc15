// How work is shared out in a closed loop, where every reply is replaced by a new call.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "tests/actors/wiring/closed_loop.hpp"

namespace {

using namespace swarm;
using namespace swarm::wiring;
using testing::closed_loop;
using testing::modelled_peer;
using testing::worker;

constexpr auto ours = default_policy;
constexpr auto round_robin = policy_kind::interleaved_weighted_round_robin;
const std::vector<modelled_peer> unequal = {{1, 0.05}, {2, 0.05}, {4, 0.05}, {8, 0.05}};

double throughput(std::vector<modelled_peer> peers, policy_kind kind, size_t trainers,
                  size_t in_flight) {
  closed_loop loop(std::move(peers), kind, trainers, in_flight, 3);
  loop.run_until(100);
  loop.forget_counts();
  loop.run_until(1100);
  return static_cast<double>(loop.replies()) / 1000;
}

}  // namespace

BOOST_AUTO_TEST_CASE(shares_follow_speeds_and_no_rate_is_lost) {
  for (auto kind : {ours, round_robin}) {
    for (size_t in_flight : {12, 16, 32}) {
      closed_loop loop(unequal, kind, 1, in_flight, 1);
      loop.run_until(60);
      loop.forget_counts();
      loop.run_until(1060);
      for (size_t p = 0; p < unequal.size(); ++p) {
        const double expected = unequal[p].units_per_s / 15;
        BOOST_TEST(std::abs(loop.share(p) / expected - 1) < 0.05,
                   to_string(kind) << ", peer " << p << ": " << loop.share(p));
      }
      BOOST_TEST(static_cast<double>(loop.replies()) / 1000 >= 0.97 * 15);
    }
  }
}

BOOST_AUTO_TEST_CASE(private_routers_of_many_trainers_share_the_peers) {
  closed_loop loop(unequal, ours, 8, 4, 1);
  loop.run_until(60);
  loop.forget_counts();
  loop.run_until(1060);
  for (size_t p = 0; p < unequal.size(); ++p)
    BOOST_TEST(std::abs(loop.share(p) * 15 / unequal[p].units_per_s - 1) < 0.05);
  BOOST_TEST(static_cast<double>(loop.replies()) / 1000 >= 0.97 * 15);
}

BOOST_AUTO_TEST_CASE(few_calls_in_flight_lose_less_than_by_the_papers_rule) {
  const double mine = throughput(unequal, ours, 1, 5);
  const double theirs = throughput(unequal, policy_kind::paper, 1, 5);
  BOOST_TEST_MESSAGE("5 in flight, of 15/s: " << mine << " against the paper's " << theirs);
  BOOST_TEST(mine > theirs);
}

BOOST_AUTO_TEST_CASE(blind_policies_lose_rate_on_unequal_peers) {
  const double mine = throughput(unequal, ours, 4, 4);
  BOOST_TEST(throughput(unequal, policy_kind::uniform_random, 4, 4) < 0.6 * mine);
  BOOST_TEST(throughput(unequal, policy_kind::fixed, 4, 4) < 0.6 * mine);
}

BOOST_AUTO_TEST_CASE(equal_peers_are_kept_busy_by_every_policy_that_looks) {
  const std::vector<modelled_peer> equal(8, {5, 0.01});
  for (auto kind : {ours, round_robin, policy_kind::paper, policy_kind::shortest_queue,
                    policy_kind::power_of_two_choices, policy_kind::fixed})
    BOOST_TEST(throughput(equal, kind, 2, 16) >= 0.9 * 40, to_string(kind));
}

BOOST_AUTO_TEST_CASE(no_peer_starves) {
  std::vector<modelled_peer> peers(20, {50, 0.01});
  peers.push_back({0.2, 0.5});
  // With one call in flight, ours looks again at the slow one after 8 x 21 times its 5.5 s.
  for (auto [kind, until_s] : {std::pair{round_robin, 900.0}, std::pair{ours, 1800.0}}) {
    for (size_t in_flight : {1, 4, 40}) {
      closed_loop loop(peers, kind, 1, in_flight, 9);
      loop.run_until(300);
      loop.forget_counts();
      loop.run_until(until_s);
      for (size_t p = 0; p < peers.size(); ++p)
        BOOST_TEST(loop.served(p) > 0u, "peer " << p);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_newcomer_earns_its_share_within_seconds) {
  closed_loop loop(unequal, ours, 2, 12, 4);
  loop.run_until(500);
  loop.join({15, 0.05});
  loop.run_until(510);
  loop.forget_counts();
  loop.run_until(610);
  BOOST_TEST(std::abs(loop.share(4) - 0.5) < 0.05);
}

BOOST_AUTO_TEST_CASE(round_robin_gives_less_to_a_peer_that_slowed_down) {
  // Two of four become 10x slower: modelled by replies, since the loop's speeds are constant.
  auto router = make_policy(round_robin, 5);
  for (uint64_t p = 0; p < 4; ++p)
    router->add_peer(worker(p), 0);
  std::vector<int> chosen(4, 0);
  for (int i = 0; i < 4000; ++i) {
    const auto w = router->pick(i, 1).value();
    router->on_dispatch(w, 1);
    const bool slow = i >= 1000 && w.peer.value() < 2;
    router->on_success(w, i, slow ? 10 : 1, 1);
    if (i >= 1500) ++chosen[w.peer.value()];
  }
  BOOST_TEST(std::abs(chosen[0] / 2500.0 - 0.1 / 2.2) < 0.01);
  BOOST_TEST(std::abs(chosen[3] / 2500.0 - 1.0 / 2.2) < 0.02);
}

BOOST_AUTO_TEST_CASE(the_shares_of_round_robin_count_work_and_not_calls) {
  auto router = make_policy(round_robin, 5);
  for (uint64_t p = 0; p < 2; ++p)
    router->add_peer(worker(p), 0);
  std::vector<double> work(2, 0);
  for (int i = 0; i < 3000; ++i) {
    const double units = i % 2 == 0 ? 1 : 2.5;
    const auto w = router->pick(i, units).value();
    router->on_dispatch(w, units);
    const double seconds_per_unit = w.peer.value() == 0 ? 1 : 3;
    router->on_success(w, i, seconds_per_unit * units, units);
    work[w.peer.value()] += units;
  }
  BOOST_TEST(std::abs(work[0] / (work[0] + work[1]) - 0.75) < 0.02);
  BOOST_TEST(std::abs(*router->estimate(worker(1)) - 3) < 1e-9);
}
