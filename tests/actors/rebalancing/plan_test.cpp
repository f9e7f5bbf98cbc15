#include "actors/rebalancing/plan.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <numeric>

#include "actors/random.hpp"
#include "tests/actors/rebalancing/views.hpp"

using namespace swarm;
using namespace swarm::rebalancing;

namespace {

double settled(const swarm_view& view) {
  return pipeline_throughput(rate_estimate{view}.settled());
}

swarm_view random_view(splitmix64& random) {
  swarm_view view;
  const auto stages = 2 + random.below(7);
  const auto workers = stages + random.below(40);
  for (size_t s = 0; s < stages; ++s)
    view.stages.push_back({1.0 + random.unit(), 1e9});
  for (size_t i = 0; i < workers; ++i) {
    const auto stage = random.below(stages);
    const auto speed = 1 + 15 * random.unit();
    const auto state = random.unit() < 0.2 ? worker_state::joining : worker_state::serving;
    const auto rate = speed / view.stages[stage].relative_work * (0.7 + 0.6 * random.unit());
    view.workers.push_back(worker(i + 1, static_cast<int32_t>(stage), state, rate, speed));
  }
  return view;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_balanced_swarm_stays_as_it_is) {
  for (const auto& counts : std::vector<std::vector<int>>{
           {1, 1, 1}, {4, 4, 4, 4}, {5, 4, 4, 4}, {4, 5, 5, 4}, {3, 4, 4, 4}, {100, 101, 100}})
    BOOST_TEST(plan_moves(equal_workers(counts)).empty());
}

BOOST_AUTO_TEST_CASE(noise_in_the_rates_moves_nobody) {
  splitmix64 random{1};
  for (int round = 0; round < 200; ++round) {
    auto view = equal_workers({100, 101, 101, 100});
    for (auto& w : view.workers)
      w.microbatches_per_second = 0.95 + 0.1 * random.unit();
    BOOST_TEST(plan_moves(view).empty());
  }
}

BOOST_AUTO_TEST_CASE(one_misplaced_worker_moves_to_the_slowest_stage) {
  const auto view = equal_workers({5, 4, 3});
  const auto moves = plan_moves(view);
  BOOST_REQUIRE(moves.size() == 1U);
  BOOST_CHECK(moves[0].from == stage_id{0} && moves[0].to == stage_id{2});
}

BOOST_AUTO_TEST_CASE(several_misplaced_workers_are_planned_at_once) {
  const auto view = equal_workers({10, 6, 2, 2});
  const auto moves = plan_moves(view);
  BOOST_CHECK((counts_of(after(view, moves)) == std::vector<int>{5, 5, 5, 5}));
  BOOST_TEST(moves.size() == 6U);
}

BOOST_AUTO_TEST_CASE(two_equally_slow_stages_are_both_helped_or_neither) {
  // One move alone would gain nothing.
  const auto moves = plan_moves(equal_workers({6, 2, 2}));
  BOOST_TEST(moves.size() == 2U);
  plan_options one;
  one.moves_max = 1;
  BOOST_TEST(plan_moves(equal_workers({6, 2, 2}), one).empty());
}

BOOST_AUTO_TEST_CASE(a_move_must_pay_for_the_state_it_fetches) {
  auto view = equal_workers({3, 1});
  BOOST_TEST(plan_moves(view).size() == 1U);
  plan_options hasty;
  hasty.horizon = seconds{50};
  BOOST_TEST(plan_moves(view, hasty).empty());
  for (auto& s : view.stages)
    s.state_bytes = 1e12;
  BOOST_TEST(plan_moves(view).empty());
}

BOOST_AUTO_TEST_CASE(who_fetches_faster_moves) {
  auto view = equal_workers({3, 1});
  view.workers[1].bytes_per_second = 1e9;
  const auto moves = plan_moves(view);
  BOOST_REQUIRE(moves.size() == 1U);
  BOOST_CHECK(moves[0].who == life(2));
}

BOOST_AUTO_TEST_CASE(those_that_join_are_counted_and_left_alone) {
  auto view = equal_workers({5, 3});
  view.workers.push_back(worker(20, 1, worker_state::joining));
  BOOST_TEST(plan_moves(view).empty());
  view = equal_workers({1, 1});
  for (uint64_t peer = 10; peer < 14; ++peer)
    view.workers.push_back(worker(peer, 0, worker_state::joining));
  BOOST_TEST(plan_moves(view).empty());
}

BOOST_AUTO_TEST_CASE(everybody_makes_the_same_plan_whatever_the_order_of_the_records) {
  splitmix64 random{7};
  for (int round = 0; round < 200; ++round) {
    auto view = random_view(random);
    const auto moves = plan_moves(view);
    for (size_t i = view.workers.size(); i > 1; --i)
      std::swap(view.workers[i - 1], view.workers[random.below(i)]);
    BOOST_CHECK(moves == plan_moves(view));
  }
}

BOOST_AUTO_TEST_CASE(a_plan_gains_and_empties_no_stage) {
  splitmix64 random{3};
  size_t moved = 0;
  for (int round = 0; round < 2000; ++round) {
    const auto view = random_view(random);
    const auto moves = plan_moves(view);
    moved += moves.size();
    const auto later = after(view, moves);
    BOOST_TEST((moves.empty() || settled(later) > settled(view)));
    const rate_estimate before{view};
    const rate_estimate now{later};
    for (size_t s = 0; s < view.stages.size(); ++s)
      BOOST_TEST((before.serving_count()[s] == 0 || now.serving_count()[s] > 0));
  }
  BOOST_TEST(moved > 1000U);
}

BOOST_AUTO_TEST_CASE(plans_come_to_rest) {
  splitmix64 random{5};
  for (int round = 0; round < 500; ++round) {
    auto view = random_view(random);
    int plans = 0;
    for (auto moves = plan_moves(view); !moves.empty(); moves = plan_moves(view)) {
      view = after(std::move(view), moves);
      BOOST_REQUIRE(++plans < 30);
    }
  }
}

BOOST_AUTO_TEST_CASE(equal_workers_end_in_the_best_assignment) {
  splitmix64 random{11};
  for (int round = 0; round < 500; ++round) {
    std::vector<int> counts(2 + random.below(6));
    for (auto& c : counts)
      c = 1 + static_cast<int>(random.below(12));
    auto view = equal_workers(counts);
    for (auto moves = plan_moves(view); !moves.empty(); moves = plan_moves(view))
      view = after(std::move(view), moves);
    const auto all = std::accumulate(counts.begin(), counts.end(), 0);
    BOOST_TEST(settled(view) == all / static_cast<int>(counts.size()));
  }
}

BOOST_AUTO_TEST_CASE(an_empty_stage_is_filled_from_the_one_with_most_to_spare) {
  const auto rescue = plan_rescue(equal_workers({2, 0, 5, 3}));
  BOOST_REQUIRE(rescue);
  BOOST_CHECK(rescue->from == stage_id{2} && rescue->to == stage_id{1});
}

BOOST_AUTO_TEST_CASE(nobody_is_rescued_without_need_or_by_emptying_another) {
  BOOST_TEST(!plan_rescue(equal_workers({1, 1})));
  BOOST_TEST(!plan_rescue(equal_workers({1, 0, 1})));
  auto view = equal_workers({2, 0});
  view.workers.push_back(worker(9, 1, worker_state::joining));
  BOOST_TEST(!plan_rescue(view));
}

BOOST_AUTO_TEST_CASE(who_still_joins_is_sent_on_when_nobody_else_can_be_spared) {
  auto view = equal_workers({1, 0});
  view.workers.push_back(worker(9, 0, worker_state::joining));
  const auto rescue = plan_rescue(view);
  BOOST_REQUIRE(rescue);
  BOOST_CHECK(rescue->who == life(9));
}

BOOST_AUTO_TEST_CASE(with_as_many_peers_as_stages_rescues_fill_all_of_them) {
  splitmix64 random{13};
  for (int round = 0; round < 1000; ++round) {
    auto view = random_view(random);
    size_t rescues = 0;
    for (auto r = plan_rescue(view); r; r = plan_rescue(view)) {
      view = after(std::move(view), {*r});
      BOOST_REQUIRE(++rescues <= view.stages.size());
    }
    const auto counts = counts_of(view);
    BOOST_TEST(*std::min_element(counts.begin(), counts.end()) > 0);
  }
}
