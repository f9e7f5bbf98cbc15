#include <boost/test/unit_test.hpp>
#include <set>

#include "actors/rebalancing/plan.hpp"
#include "tests/actors/rebalancing/views.hpp"

using namespace swarm;
using namespace swarm::rebalancing;

namespace {

const auto joining = worker_state::joining;

swarm_view view_of(size_t stages, std::vector<worker_record> workers) {
  return {std::vector<stage_record>(stages, {1.0, 1e9}), std::move(workers)};
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_stage_with_the_least_throughput_is_chosen_joining_ones_included) {
  const auto view = view_of(
      3, {worker(1, 0), worker(2, 0), worker(3, 1, joining), worker(4, 2), worker(5, 2, joining)});
  BOOST_CHECK(choose_stage(view, peer_id{9}, 1) == stage_id{1});
}

BOOST_AUTO_TEST_CASE(speed_counts_not_heads) {
  const auto view = view_of(
      2, {worker(1, 0, worker_state::serving, 8, 8), worker(2, 1), worker(3, 1), worker(4, 1)});
  for (uint64_t peer = 10; peer < 30; ++peer)
    BOOST_CHECK(choose_stage(view, peer_id{peer}, 1) == stage_id{1});
}

BOOST_AUTO_TEST_CASE(its_own_former_life_does_not_count) {
  const auto view = view_of(2, {worker(1, 0), worker(9, 1)});
  BOOST_CHECK(choose_stage(view, peer_id{9}, 1) == stage_id{1});
}

BOOST_AUTO_TEST_CASE(nonsense_is_not_counted) {
  const auto view = view_of(2, {worker(2, 99), worker(3, -1), worker(4, 1)});
  BOOST_CHECK(choose_stage(view, peer_id{9}, 1, {stage_id{7}, stage_id{-2}}) == stage_id{0});
}

BOOST_AUTO_TEST_CASE(newcomers_that_choose_at_once_spread) {
  std::set<int32_t> chosen;
  for (uint64_t peer = 1; peer <= 64; ++peer)
    chosen.insert(choose_stage(view_of(4, {}), peer_id{peer * 7919}, 1).value());
  BOOST_TEST(chosen.size() == 4U);
}

BOOST_AUTO_TEST_CASE(a_stage_without_anybody_comes_first_also_for_a_slow_newcomer) {
  const auto view = view_of(3, {worker(1, 0, worker_state::serving, 1e-3, 1e-3), worker(2, 2)});
  for (uint64_t peer = 10; peer < 30; ++peer)
    BOOST_CHECK(choose_stage(view, peer_id{peer}, 16) == stage_id{1});
}

BOOST_AUTO_TEST_CASE(who_still_has_the_state_of_a_stage_that_nobody_serves_takes_that) {
  const auto view = view_of(3, {worker(1, 0), worker(2, 1, joining)});
  BOOST_CHECK(choose_stage(view, peer_id{9}, 1, {stage_id{1}}) == stage_id{1});
  // Somebody serves it, and another stage has nobody.
  BOOST_CHECK(choose_stage(view, peer_id{9}, 1, {stage_id{0}}) == stage_id{2});
}

BOOST_AUTO_TEST_CASE(who_still_has_a_state_returns_to_it_unless_others_are_needier) {
  auto view = view_of(2, {worker(1, 0), worker(2, 1), worker(3, 1)});
  BOOST_CHECK(choose_stage(view, peer_id{9}, 1, {stage_id{1}}) == stage_id{1});
  view.workers.push_back(worker(4, 1));
  BOOST_CHECK(choose_stage(view, peer_id{9}, 1, {stage_id{1}}) == stage_id{0});
}
