#include <boost/test/unit_test.hpp>
#include <set>

#include "tests/actors/training/tapped_swarm.hpp"

/// A member of a stage's group dies, or falls silent, while the stage reduces: the all-reduce goes
/// on without it, and what it held is computed again by others.

namespace {

using namespace swarm;
using namespace std::chrono_literals;
using testing::fate;
using testing::tapped_call;
using testing::tapped_swarm;

constexpr uint64_t leader = 1'000;

/// Stage 0 is workers 1 to 4, stage 1 is 5 to 8.
tapped_swarm swarm_of_eight() {
  return tapped_swarm{2, 16, true, 4};
}

bool is_first_reduce(const tapped_call& c, uint64_t worker) {
  return c.kind == "Reduce" && c.worker == worker && c.step == 0;
}

std::set<uint32_t> rounds_of(const tapped_swarm& s, const std::string& kind, uint64_t worker) {
  std::set<uint32_t> result;
  for (const auto& c : s.calls)
    if (c.kind == kind && c.worker == worker && c.step == 0) result.insert(c.round);
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_death_in_the_all_reduce_begins_no_round_again) {
  for (const uint64_t victim : {2U, 4U, 7U}) {
    auto s = swarm_of_eight();
    s.kill_worker_at("Reduce", victim);
    s.add_candidate(leader, true);
    s.advance(leader, 1);
    s.pass(2min);
    BOOST_TEST(!s.lives(victim));
    BOOST_TEST(s.reached[leader] == 1);
    BOOST_TEST(s.weights_are(1));
    BOOST_TEST(s.events["reduce_repaired"] == 1);
    BOOST_TEST(s.events["reduce_failed"] == 0);
    BOOST_TEST(s.events["rework"] == 0);
    for (uint64_t worker = 1; worker <= 8; ++worker) {
      if (worker == victim) continue;
      BOOST_TEST(rounds_of(s, "Gather", worker).size() == 1U, "worker " << worker);
      BOOST_TEST(rounds_of(s, "Reduce", worker).size() == 1U, "worker " << worker);
    }
  }
}

BOOST_AUTO_TEST_CASE(so_does_a_second_death_in_the_same_all_reduce) {
  // Enough of them for helpers of both.
  tapped_swarm s{2, 16, true, 6};
  std::set<uint64_t> killed;
  s.tap = [&](const tapped_call& c) {
    const bool dies = is_first_reduce(c, 1) || (is_first_reduce(c, 3) && killed.count(1) != 0);
    if (!dies) return fate::pass;
    if (killed.insert(c.worker).second) s.kill_worker(c.worker);
    return fate::lose;
  };
  s.add_candidate(leader, true);
  s.advance(leader, 1);
  s.pass(2min);
  BOOST_TEST(killed.size() == 2U);
  BOOST_TEST(s.reached[leader] == 1);
  BOOST_TEST(s.weights_are(1));
  BOOST_TEST(rounds_of(s, "Gather", 2).size() == 1U);
  BOOST_TEST(rounds_of(s, "Gather", 4).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_member_that_takes_no_order_is_repaired_like_a_dead_one) {
  auto s = swarm_of_eight();
  s.tap = [&](const tapped_call& c) { return is_first_reduce(c, 6) ? fate::lose : fate::pass; };
  s.add_candidate(leader, true);
  s.advance(leader, 1);
  s.pass(5min);
  BOOST_TEST(s.reached[leader] == 1);
  BOOST_TEST(s.weights_are(1));
  BOOST_TEST(s.events["reduce_repaired"] == 1);
  BOOST_TEST(rounds_of(s, "Gather", 5).size() == 1U);
}

BOOST_AUTO_TEST_CASE(whoever_joins_in_the_all_reduce_gets_its_sum_and_fetches_nothing_again) {
  for (const uint64_t late : {0U, 2U}) {
    auto s = swarm_of_eight();
    // The newcomer is through with fetching before the stage is with reducing, if one is `late`.
    s.tap = [&](const tapped_call& c) {
      if (!is_first_reduce(c, 1) && !is_first_reduce(c, 2)) return fate::pass;
      if (s.workers.count(9) == 0) s.add_joiner(9, stage_id{0});
      return c.worker == late && s.events["serving"] < 9 ? fate::lose : fate::pass;
    };
    s.add_candidate(leader, true);
    s.advance(leader, 3);
    s.pass(2min);
    BOOST_TEST(s.reached[leader] == 3);
    BOOST_TEST(s.lives(9));
    BOOST_TEST(s.weights_are(3));
    BOOST_TEST(s.events["serving"] == 9);
    BOOST_TEST(s.events["refetch"] == 0);
    BOOST_TEST(s.events["fetching"] == 1);
    BOOST_TEST(s.events["reduce_repaired"] == 0);
    BOOST_TEST(s.events["reduce_failed"] == 0);
    BOOST_TEST(rounds_of(s, "Reduce", 9).size() == 1U);
  }
}

BOOST_AUTO_TEST_CASE(a_death_after_the_result_is_there_costs_nothing) {
  auto s = swarm_of_eight();
  s.kill_worker_at("Commit", 3);
  s.add_candidate(leader, true);
  s.advance(leader, 2);
  s.pass(2min);
  BOOST_TEST(!s.lives(3));
  BOOST_TEST(s.reached[leader] == 2);
  BOOST_TEST(s.weights_are(2));
  BOOST_TEST(s.events["reduce_repaired"] == 0);
}
