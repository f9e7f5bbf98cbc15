#include "actors/wiring/router.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <random>

#include "tests/actors/wiring/closed_loop.hpp"

namespace {

using namespace swarm;
using namespace swarm::wiring;
using testing::worker;

constexpr auto ours = default_policy;
constexpr auto round_robin = policy_kind::interleaved_weighted_round_robin;
const std::vector<policy_kind> every_policy = {ours,
                                               round_robin,
                                               policy_kind::uniform_random,
                                               policy_kind::power_of_two_choices,
                                               policy_kind::shortest_queue,
                                               policy_kind::fixed,
                                               policy_kind::paper};

std::unique_ptr<routing_policy> with_peers(policy_kind kind, uint64_t count, uint64_t seed = 1,
                                           const router_options& options = {}) {
  auto router = make_policy(kind, seed, options);
  for (uint64_t p = 0; p < count; ++p)
    router->add_peer(worker(p), 0);
  return router;
}

worker_id call(routing_policy& router, double now_s, double seconds = 1) {
  const auto w = router.pick(now_s, 1).value();
  router.on_dispatch(w, 1);
  router.on_success(w, now_s, seconds, 1);
  return w;
}

/// A few hundred random events; the picks are returned.
std::vector<worker_id> random_events(policy_kind kind, uint32_t seed) {
  std::mt19937 random(seed);
  auto router = make_policy(kind, seed);
  std::set<worker_id> members;
  std::vector<worker_id> out;
  std::vector<worker_id> picks;
  double now_s = 0;
  for (int i = 0; i < 600; ++i) {
    now_s += random() % 100 / 50.0;
    const auto some = worker(random() % 8, random() % 2);
    switch (random() % 10) {
      case 0:
        router->add_peer(some, now_s);
        members.insert(some);
        break;
      case 1:
        if (random() % 4 != 0) break;
        router->remove_peer(some);
        members.erase(some);
        break;
      case 2:
      case 3: {
        if (out.empty()) break;
        const auto w = out.back();
        out.pop_back();
        switch (random() % 4) {
          case 0:
            router->on_failure(w, now_s, 0.1, 1);
            break;
          case 1:
            router->on_timeout(w, now_s, 5, 1);
            break;
          case 2:
            router->on_cancel(w, 1);
            break;
          default:
            router->on_success(w, now_s, random() % 100 / 100.0, 1);
        }
        break;
      }
      default: {
        std::set<worker_id> excluded;
        for (const auto& m : members)
          if (random() % 3 == 0) excluded.insert(m);
        const bool can = router->next_retry_s(now_s) == now_s;
        const auto w = router->pick(now_s, 1, excluded, microbatch_id(i));
        if (w) {
          BOOST_TEST(members.count(*w) == 1u);
          BOOST_TEST(excluded.count(*w) == 0u);
          router->on_dispatch(*w, 1);
          out.push_back(*w);
          picks.push_back(*w);
        } else if (excluded.empty()) {
          BOOST_TEST(!can);
        }
        BOOST_TEST(!router->pick(now_s, 1, members, microbatch_id(i)));
      }
    }
    BOOST_TEST((router->peers() == std::vector<worker_id>(members.begin(), members.end())));
  }
  return picks;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_pick_is_a_member_and_never_excluded) {
  for (auto kind : every_policy)
    for (uint32_t seed = 0; seed < 20; ++seed)
      BOOST_TEST(!random_events(kind, seed).empty());
}

BOOST_AUTO_TEST_CASE(the_same_seed_makes_the_same_picks) {
  for (auto kind : every_policy)
    BOOST_TEST((random_events(kind, 77) == random_events(kind, 77)), to_string(kind));
  auto a = with_peers(ours, 50, 1);
  auto b = with_peers(ours, 50, 2);
  bool differ = false;
  for (int i = 0; i < 10; ++i)
    differ |= call(*a, i) != call(*b, i);
  BOOST_TEST(differ);
}

BOOST_AUTO_TEST_CASE(an_empty_router_picks_nothing) {
  for (auto kind : every_policy) {
    auto router = make_policy(kind, 1);
    BOOST_TEST(!router->pick(0, 1));
    BOOST_TEST(!router->next_retry_s(0));
    BOOST_TEST(!router->estimate(worker(1)));
    router->remove_peer(worker(1));
    router->on_success(worker(1), 0, 1, 1);
    router->on_failure(worker(1), 0, 1, 1);
    BOOST_TEST(router->peers().empty());
  }
}

BOOST_AUTO_TEST_CASE(every_healthy_peer_is_reached_by_every_policy) {
  for (auto kind : every_policy) {
    auto router = with_peers(kind, 12);
    std::set<worker_id> reached;
    for (int i = 0; i < 400; ++i) {
      const auto w = router->pick(i, 1, {}, microbatch_id(i)).value();
      router->on_dispatch(w, 1);
      router->on_success(w, i, 1, 1);
      reached.insert(w);
    }
    BOOST_TEST(reached.size() == 12u, to_string(kind));
  }
}

BOOST_AUTO_TEST_CASE(fixed_follows_the_microbatch_and_steps_aside_for_the_excluded) {
  auto router = with_peers(policy_kind::fixed, 3);
  for (int64_t m = 0; m < 9; ++m)
    BOOST_TEST(router->pick(0, 1, {}, microbatch_id(m)).value() == worker(m % 3));
  BOOST_TEST(router->pick(0, 1, {worker(1)}, microbatch_id(1)).value() == worker(2));
}

BOOST_AUTO_TEST_CASE(names_round_trip) {
  for (auto kind : every_policy)
    BOOST_TEST((policy_from_name(to_string(kind)) == kind));
  BOOST_TEST(!policy_from_name("round_robin").has_value());
}

BOOST_AUTO_TEST_CASE(the_estimate_is_the_papers_moving_average) {
  auto router = with_peers(ours, 1);
  BOOST_TEST(*router->estimate(worker(0)) == 1.0);
  double average = 0;
  for (int n = 1; n <= 30; ++n) {
    const double seconds = 0.1 * n;
    router->on_dispatch(worker(0), 2);
    router->on_success(worker(0), n, seconds, 2);
    average = 0.9 * average + 0.1 * seconds / 2;
    BOOST_TEST(std::abs(*router->estimate(worker(0)) - average / (1 - std::pow(0.9, n))) < 1e-12);
  }
}

BOOST_AUTO_TEST_CASE(nonsense_is_not_observed) {
  for (auto kind : every_policy) {
    auto router = with_peers(kind, 2);
    for (double bad : {std::nan(""), -1.0, HUGE_VAL}) {
      router->on_dispatch(worker(0), bad);
      router->on_success(worker(0), 0, bad, 1);
      router->on_dispatch(worker(0), 1);
      router->on_success(worker(0), 0, 1, -1);
      BOOST_TEST(*router->estimate(worker(0)) == 1.0);
      BOOST_TEST(router->in_flight(worker(0)) == 0u);
    }
    BOOST_TEST(router->pick(0, 1).has_value());
  }
}

BOOST_AUTO_TEST_CASE(a_newcomer_is_tried_at_once_but_not_flooded) {
  auto router = with_peers(ours, 4);
  for (int i = 0; i < 200; ++i)
    call(*router, i, 2);
  router->add_peer(worker(9), 200);
  for (uint64_t p = 0; p < 4; ++p)
    router->on_dispatch(worker(p), 1);  // the others are busy
  BOOST_TEST(router->pick(200, 1).value() == worker(9));
  router->on_dispatch(worker(9), 1);
  for (int i = 0; i < 50; ++i) {
    const auto w = router->pick(200, 1).value();
    BOOST_TEST(w != worker(9));
    router->on_dispatch(w, 1);
  }
}

BOOST_AUTO_TEST_CASE(a_newcomer_owes_nothing_of_the_past) {
  auto router = with_peers(ours, 2);
  for (int i = 0; i < 10000; ++i)
    call(*router, i);
  router->add_peer(worker(5), 10000);
  int newcomer = 0;
  for (int i = 0; i < 30; ++i)
    newcomer += call(*router, 10000 + i) == worker(5) ? 1 : 0;
  BOOST_TEST(newcomer >= 9);
  BOOST_TEST(newcomer <= 12);
}

BOOST_AUTO_TEST_CASE(a_bad_measurement_is_not_paid_off_once_the_estimate_forgets_it) {
  auto router = with_peers(round_robin, 2);
  for (int i = 0; i < 100; ++i)
    call(*router, i);
  router->on_dispatch(worker(0), 1);
  router->on_success(worker(0), 100, 1000, 1);
  BOOST_TEST(*router->estimate(worker(0)) > 90);
  for (int i = 0; i < 60; ++i) {
    router->on_dispatch(worker(0), 1);
    router->on_success(worker(0), 100, 1, 1);
  }
  int chosen = 0;
  for (int i = 0; i < 200; ++i)
    chosen += call(*router, 101 + i) == worker(0) ? 1 : 0;
  BOOST_TEST(chosen >= 70);
}

BOOST_AUTO_TEST_CASE(a_peer_sent_many_calls_unasked_is_not_starved_afterwards) {
  auto router = with_peers(round_robin, 2);
  for (int i = 0; i < 100; ++i)
    call(*router, i);
  for (int i = 0; i < 5000; ++i) {
    router->on_dispatch(worker(0), 1);
    router->on_success(worker(0), 100, 1, 1);
  }
  int chosen = 0;
  for (int i = 0; i < 200; ++i)
    chosen += call(*router, 101 + i) == worker(0) ? 1 : 0;
  BOOST_TEST(chosen >= 70);
}

BOOST_AUTO_TEST_CASE(forced_dispatches_count_against_a_peers_share) {
  auto router = with_peers(round_robin, 2);
  for (int i = 0; i < 20; ++i)
    call(*router, i);
  int first = 0;
  for (int i = 0; i < 100; ++i) {
    router->on_dispatch(worker(0), 1);
    router->on_success(worker(0), i, 1, 1);
    first += call(*router, i) == worker(0) ? 1 : 0;
  }
  BOOST_TEST(first <= 5);
}

BOOST_AUTO_TEST_CASE(cancelling_all_leaves_nothing_in_flight_and_the_health_as_it_was) {
  for (auto kind : every_policy) {
    auto router = with_peers(kind, 3);
    for (uint64_t p = 0; p < 3; ++p)
      for (int k = 0; k < 3; ++k)
        router->on_dispatch(worker(p), 1);
    router->on_failure(worker(0), 10, 1, 1);
    router->on_dispatch(worker(0), 1);
    router->cancel_all();
    for (uint64_t p = 0; p < 3; ++p)
      BOOST_TEST(router->in_flight(worker(p)) == 0u);
    BOOST_TEST(router->status()[0].set_aside);
    router->remove_peer(worker(1));
    router->remove_peer(worker(2));
    BOOST_TEST(!router->pick(10, 1));
    BOOST_TEST(router->pick(100, 1).has_value());
  }
}

BOOST_AUTO_TEST_CASE(removal_erases_everything) {
  auto router = with_peers(ours, 2);
  for (int i = 0; i < 50; ++i)
    call(*router, i, 7);
  router->on_dispatch(worker(0), 1);
  router->on_failure(worker(0), 50, 1, 1);
  router->remove_peer(worker(0));
  BOOST_TEST(router->status().size() == 1u);
  router->on_success(worker(0), 51, 1, 1);
  BOOST_TEST(!router->estimate(worker(0)));
  router->add_peer(worker(0), 52);
  BOOST_TEST(!router->status()[0].set_aside);
  BOOST_TEST(std::abs(*router->estimate(worker(0)) - 7) < 1e-9);  // as good as its neighbour
}
