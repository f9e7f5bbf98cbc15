// Peers that fail: set aside, probed once, given up, welcomed back.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "tests/actors/wiring/closed_loop.hpp"

namespace {

using namespace swarm;
using namespace swarm::wiring;
using testing::worker;

constexpr auto ours = default_policy;

struct fixture {
  fixture() {
    options.backoff_jitter = 0;
    router = make_policy(ours, 1, options);
    router->add_peer(worker(0), 0);
  }

  void fail(double now_s) {
    router->on_dispatch(worker(0), 1);
    router->on_failure(worker(0), now_s, 0.1, 1);
  }

  router_options options;
  std::unique_ptr<routing_policy> router;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_failing_peer_rests_and_returns_when_it_is_the_only_one, fixture) {
  fail(10);
  BOOST_TEST(!router->pick(10.5, 1));
  BOOST_TEST(*router->next_retry_s(10.5) == 11.0);
  BOOST_TEST(router->pick(11, 1).value() == worker(0));
  BOOST_TEST(*router->next_retry_s(11) == 11.0);
}

BOOST_FIXTURE_TEST_CASE(only_one_probe_is_out_at_a_time, fixture) {
  fail(0);
  router->on_dispatch(router->pick(1, 1).value(), 1);
  BOOST_TEST(!router->pick(1, 1));
  BOOST_TEST(!router->pick(1000, 1));
  BOOST_TEST(!router->next_retry_s(1000));
  router->on_success(worker(0), 1001, 1, 1);
  BOOST_TEST(router->pick(1001, 1).has_value());
  BOOST_TEST(!router->status()[0].set_aside);
  BOOST_TEST(router->status()[0].failures == 0u);
}

BOOST_FIXTURE_TEST_CASE(rests_double_up_to_the_limit_and_the_peer_is_then_given_up, fixture) {
  double now_s = 0;
  std::vector<double> rests;
  fail(now_s);
  while (const auto retry_s = router->next_retry_s(now_s)) {
    rests.push_back(*retry_s - now_s);
    now_s = *retry_s;
    BOOST_REQUIRE(rests.size() <= options.probes_max);
    BOOST_TEST(router->pick(now_s, 1).has_value());
    fail(now_s);
  }
  BOOST_TEST((rests == std::vector<double>{1, 2, 4, 8, 16, 32, 60, 60}));
  BOOST_TEST(!router->pick(1e9, 1));
  router->add_peer(worker(0), 1e9);  // announced again: one more chance
  BOOST_TEST(router->pick(1e9, 1).has_value());
  fail(1e9);
  BOOST_TEST(!router->pick(2e9, 1));
}

BOOST_FIXTURE_TEST_CASE(an_announcement_does_not_shorten_the_rest, fixture) {
  fail(0);
  router->add_peer(worker(0), 0.5);
  BOOST_TEST(!router->pick(0.9, 1));
}

BOOST_FIXTURE_TEST_CASE(calls_that_fail_together_count_once, fixture) {
  for (int i = 0; i < 6; ++i)
    router->on_dispatch(worker(0), 1);
  for (int i = 0; i < 6; ++i)
    router->on_timeout(worker(0), 30, 30, 1);
  BOOST_TEST(*router->next_retry_s(30) == 31.0);
  BOOST_TEST(router->status()[0].failures == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_success_of_an_older_call_clears_the_peer, fixture) {
  router->on_dispatch(worker(0), 1);
  router->on_dispatch(worker(0), 1);
  router->on_failure(worker(0), 1, 1, 1);
  BOOST_TEST(!router->pick(1, 1));
  router->on_success(worker(0), 1.5, 1.5, 1);
  BOOST_TEST(router->pick(1.5, 1).has_value());
}

BOOST_FIXTURE_TEST_CASE(a_cancelled_probe_may_be_repeated, fixture) {
  fail(0);
  router->on_dispatch(router->pick(1, 1).value(), 1);
  router->on_cancel(worker(0), 1);
  BOOST_TEST(router->pick(1, 1).has_value());
}

BOOST_FIXTURE_TEST_CASE(a_timeout_is_an_observation, fixture) {
  router->on_dispatch(worker(0), 1);
  router->on_success(worker(0), 1, 1, 1);
  router->on_dispatch(worker(0), 1);
  router->on_timeout(worker(0), 31, 30, 1);
  BOOST_TEST(*router->estimate(worker(0)) > 10);
}

BOOST_FIXTURE_TEST_CASE(a_quick_error_does_not_make_a_peer_look_fast, fixture) {
  router->on_dispatch(worker(0), 1);
  router->on_success(worker(0), 1, 2, 1);
  fail(2);
  BOOST_TEST(*router->estimate(worker(0)) == 2.0);
}

BOOST_AUTO_TEST_CASE(jitter_keeps_trainers_from_probing_together) {
  std::set<double> retries;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    auto router = make_policy(ours, seed);
    router->add_peer(worker(0), 0);
    router->on_dispatch(worker(0), 1);
    router->on_failure(worker(0), 0, 1, 1);
    const double retry_s = *router->next_retry_s(0);
    BOOST_TEST(retry_s >= 1.0);
    BOOST_TEST(retry_s <= 1.25);
    retries.insert(retry_s);
  }
  BOOST_TEST(retries.size() == 20u);
}

BOOST_AUTO_TEST_CASE(a_dead_peer_among_many_costs_few_calls) {
  for (auto kind : {ours, policy_kind::uniform_random, policy_kind::shortest_queue}) {
    auto router = make_policy(kind, 4);
    for (uint64_t p = 0; p < 8; ++p)
      router->add_peer(worker(p), 0);
    int wasted = 0;
    for (int i = 0; i < 20000; ++i) {
      const double now_s = i * 0.05;  // 1000 s
      const auto w = router->pick(now_s, 1).value();
      router->on_dispatch(w, 1);
      if (w == worker(3)) {
        ++wasted;
        router->on_failure(w, now_s, 0.05, 1);
      } else {
        router->on_success(w, now_s, 0.05, 1);
      }
    }
    BOOST_TEST(wasted <= 9, to_string(kind) << ": " << wasted);
    BOOST_TEST(wasted >= 2);
  }
}

BOOST_AUTO_TEST_CASE(a_returner_is_not_flooded_for_its_absence) {
  auto router = make_policy(policy_kind::interleaved_weighted_round_robin, 4);
  for (uint64_t p = 0; p < 4; ++p)
    router->add_peer(worker(p), 0);
  router->on_dispatch(worker(0), 1);
  router->on_failure(worker(0), 0, 1, 1);
  int back = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::set<worker_id> excluded =
        i < 1960 ? std::set<worker_id>{worker(0)} : std::set<worker_id>{};
    const auto w = router->pick(10 + i, 1, excluded).value();
    router->on_dispatch(w, 1);
    router->on_success(w, 10 + i, 1, 1);
    back += w == worker(0) ? 1 : 0;
  }
  BOOST_TEST(back >= 8);
  BOOST_TEST(back <= 13);
}

BOOST_AUTO_TEST_CASE(the_papers_rule_bans_on_errors_and_forgives_timeouts) {
  auto router = make_policy(policy_kind::paper, 1);
  router->add_peer(worker(0), 0);
  router->on_dispatch(worker(0), 1);
  router->on_timeout(worker(0), 30, 30, 1);
  BOOST_TEST(*router->estimate(worker(0)) == 1.0);
  BOOST_TEST(router->pick(30, 1).has_value());
  router->on_dispatch(worker(0), 1);
  router->on_failure(worker(0), 31, 1, 1);
  BOOST_TEST(!router->pick(31, 1));
  BOOST_TEST(*router->next_retry_s(31) == 91.0);
  router->add_peer(worker(0), 40);
  BOOST_TEST(router->pick(40, 1).has_value());
}
