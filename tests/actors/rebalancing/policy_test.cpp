#include "actors/rebalancing/policy.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/actors/rebalancing/views.hpp"

using namespace swarm;
using namespace swarm::rebalancing;

namespace {

/// What each worker of the view wishes at its first decision within `within` seconds.
std::vector<move> wishes(policy_kind kind, const swarm_view& view, seconds within) {
  std::vector<move> result;
  for (const auto& w : view.workers) {
    const auto policy = make_policy(kind, w.id.peer.value());
    if (const auto m = policy->decide(view, w.id, seconds{0})) result.push_back(*m);
    if (policy->next_decision() > within) continue;
    if (const auto m = policy->decide(view, w.id, policy->next_decision())) result.push_back(*m);
  }
  return result;
}

swarm_view queues(const std::vector<std::vector<double>>& lengths) {
  swarm_view view;
  uint64_t peer = 0;
  for (size_t s = 0; s < lengths.size(); ++s) {
    view.stages.push_back({});
    for (const auto length : lengths[s]) {
      view.workers.push_back(worker(++peer, static_cast<int32_t>(s)));
      view.workers.back().queue_length = length;
    }
  }
  return view;
}

constexpr seconds period{60};

}  // namespace

BOOST_AUTO_TEST_CASE(names_are_read_back) {
  for (const auto kind : {policy_kind::none, policy_kind::queue, policy_kind::throughput})
    BOOST_CHECK(policy_from_name(to_string(kind)) == kind);
  BOOST_CHECK(!policy_from_name("fastest"));
}

BOOST_AUTO_TEST_CASE(none_stays) {
  BOOST_TEST(wishes(policy_kind::none, equal_workers({9, 1}), period).empty());
}

BOOST_AUTO_TEST_CASE(queue_sends_the_idlest_worker_of_the_idlest_stage_to_the_busiest) {
  const auto moves = wishes(policy_kind::queue, queues({{3, 4}, {1, 0.5, 2}, {9, 9}}), period);
  BOOST_REQUIRE(moves.size() == 1U);
  BOOST_CHECK((moves[0] == move{life(4), stage_id{1}, stage_id{2}}));
}

BOOST_AUTO_TEST_CASE(queue_waits_a_period_and_then_another) {
  const auto view = queues({{1, 2}, {9, 9}});
  const auto policy = make_policy(policy_kind::queue, 1);
  BOOST_TEST(!policy->decide(view, life(1), seconds{100}));
  BOOST_TEST(!policy->decide(view, life(1), seconds{159}));
  BOOST_TEST(policy->decide(view, life(1), seconds{160}).has_value());
  BOOST_TEST(!policy->decide(view, life(1), seconds{219}));
  BOOST_TEST(policy->decide(view, life(1), seconds{220}).has_value());
}

// What the paper's rule does, good or not: the comparison in experiments/ depends on it.

BOOST_AUTO_TEST_CASE(queue_herds_when_workers_are_tied) {
  BOOST_TEST(wishes(policy_kind::queue, queues({{0, 0, 0, 2}, {9, 9}}), period).size() == 3U);
}

BOOST_AUTO_TEST_CASE(queue_takes_the_last_worker_of_a_stage) {
  BOOST_TEST(wishes(policy_kind::queue, queues({{0}, {9, 9}}), period).size() == 1U);
}

BOOST_AUTO_TEST_CASE(queue_moves_for_any_difference) {
  BOOST_TEST(wishes(policy_kind::queue, queues({{4.99, 5}, {5, 5}}), period).size() == 1U);
  BOOST_TEST(wishes(policy_kind::queue, queues({{5, 5}, {5, 5}}), period).empty());
}

BOOST_AUTO_TEST_CASE(queue_never_fills_an_empty_stage) {
  BOOST_TEST(wishes(policy_kind::queue, queues({{1, 5}, {}, {9, 9}}), period).empty());
}

BOOST_AUTO_TEST_CASE(the_papers_newcomer_goes_to_the_longest_queues) {
  BOOST_CHECK(most_loaded_stage(queues({{1, 5}, {9, 9}, {2}})) == stage_id{1});
  BOOST_CHECK(most_loaded_stage(queues({{1, 5}, {9, 9}, {}})) == stage_id{2});
}

BOOST_AUTO_TEST_CASE(of_those_with_one_view_exactly_one_wishes_to_move) {
  const auto moves = wishes(policy_kind::throughput, equal_workers({6, 5, 3}), 2 * period);
  BOOST_REQUIRE(moves.size() == 1U);
  BOOST_CHECK(moves[0].to == stage_id{2});
}

BOOST_AUTO_TEST_CASE(several_misplaced_move_within_a_period) {
  const auto moves = wishes(policy_kind::throughput, equal_workers({9, 1, 2}), period);
  BOOST_TEST(moves.size() == 5U);
}

BOOST_AUTO_TEST_CASE(throughput_decides_once_a_period_and_not_when_others_do) {
  const auto view = equal_workers({5, 5});
  seconds first{-1};
  for (const uint64_t seed : {1, 2}) {
    const auto policy = make_policy(policy_kind::throughput, seed);
    policy->decide(view, life(1), seconds{0});
    BOOST_CHECK(policy->next_decision() != first);
    first = policy->next_decision();
    BOOST_CHECK(first <= period);
    policy->decide(view, life(1), first);
    const auto length = policy->next_decision() - first;
    BOOST_TEST(length.count() >= 45.0);
    BOOST_TEST(length.count() <= 75.0);
  }
}

BOOST_AUTO_TEST_CASE(an_empty_stage_is_filled_at_once_by_one) {
  const auto moves = wishes(policy_kind::throughput, equal_workers({2, 0, 4}), seconds{0});
  BOOST_REQUIRE(moves.size() == 1U);
  BOOST_CHECK(moves[0].from == stage_id{2} && moves[0].to == stage_id{1});
}

BOOST_AUTO_TEST_CASE(a_refused_worker_asks_again_soon) {
  const auto view = equal_workers({4, 1});
  for (const auto& w : view.workers) {
    const auto policy = make_policy(policy_kind::throughput, 5);
    policy->decide(view, w.id, seconds{0});
    const auto now = policy->next_decision();
    const auto wish = policy->decide(view, w.id, now);
    if (!wish) continue;
    policy->refused(now);
    BOOST_CHECK(policy->next_decision() <= now + seconds{7.5});
    BOOST_CHECK(policy->decide(view, w.id, policy->next_decision()) == wish);
    return;
  }
  BOOST_FAIL("nobody wished to move");
}

BOOST_AUTO_TEST_CASE(a_refused_rescuer_asks_again_at_once) {
  const auto view = equal_workers({0, 3});
  for (const auto& w : view.workers) {
    const auto policy = make_policy(policy_kind::throughput, 5);
    if (!policy->decide(view, w.id, seconds{0})) continue;
    policy->refused(seconds{0});
    BOOST_TEST(!policy->decide(view, w.id, seconds{0.5}));
    BOOST_TEST(policy->decide(view, w.id, seconds{2}).has_value());
    return;
  }
  BOOST_FAIL("nobody wished to move");
}
