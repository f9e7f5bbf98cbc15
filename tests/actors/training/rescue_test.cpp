#include "actors/training/rescue.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/random.hpp"

namespace {

using namespace swarm;
using namespace swarm::training;
using verdict = rescue::verdict;

worker_id worker(uint64_t peer) {
  return {peer_id{peer}, incarnation_id{1}};
}

std::set<weights_id> versions(std::initializer_list<int64_t> all, uint64_t history = 0) {
  std::set<weights_id> result;
  for (int64_t v : all)
    result.insert({history_id{history}, step_id{v}});
  return result;
}

constexpr stage_id zero{0};
constexpr stage_id one{1};
constexpr stage_id two{2};

}  // namespace

BOOST_AUTO_TEST_CASE(everybody_goes_back_to_the_newest_version_that_all_stages_have) {
  const std::map<worker_id, stage_id> places{{worker(1), zero}, {worker(2), one}};
  const auto plan = plan_rescue(
      places, {{worker(1), {{zero, versions({10, 20, 30})}, {one, versions({10, 20})}}}}, 2);
  BOOST_TEST((plan.what == verdict::restore));
  BOOST_TEST((plan.weights == weights_id{{}, step_id{20}}));
  BOOST_REQUIRE(plan.holders.at(one).size() == 1U);
  BOOST_TEST((plan.holders.at(one)[0] == worker(1)));
}

BOOST_AUTO_TEST_CASE(copies_of_two_histories_do_not_go_together_and_the_later_history_counts) {
  const std::map<worker_id, stage_id> places{{worker(1), zero}, {worker(2), one}};
  auto later = versions({12}, 7);
  const auto mixed = plan_rescue(places, {{worker(1), {{zero, later}, {one, versions({12})}}}}, 2);
  BOOST_TEST((mixed.what == verdict::lost));
  later.merge(versions({40}));
  const auto both = plan_rescue(places, {{worker(1), {{zero, later}, {one, later}}}}, 2);
  BOOST_TEST((both.what == verdict::restore));
  BOOST_TEST((both.weights == weights_id{history_id{7}, step_id{12}}));
  BOOST_TEST(
      !backed_up({{}, step_id{12}}, places, {{worker(1), {{zero, later}, {one, later}}}}, 2));
}

BOOST_AUTO_TEST_CASE(a_copy_of_its_own_stage_makes_nobody_a_backup) {
  const weights_id five{{}, step_id{5}};
  BOOST_TEST(is_backup(five, zero, {{zero, versions({5})}, {one, versions({5})}}, 2));
  BOOST_TEST(!is_backup(five, one, {{zero, versions({4})}, {one, versions({5})}}, 2));
  BOOST_TEST(is_backup(five, zero, {{zero, versions({5})}}, 1));
}

BOOST_AUTO_TEST_CASE(an_empty_stage_gets_a_peer_of_the_largest) {
  const std::map<worker_id, stage_id> places{
      {worker(1), zero}, {worker(2), two}, {worker(3), two}, {worker(4), two}};
  const auto plan = plan_rescue(places,
                                {{worker(1), {{zero, versions({5})}, {one, versions({5})}}},
                                 {worker(2), {{two, versions({5})}}}},
                                3);
  BOOST_TEST((plan.what == verdict::move));
  BOOST_REQUIRE(plan.moves.size() == 1U);
  BOOST_TEST((plan.moves[0].second == one));
  BOOST_TEST((places.at(plan.moves[0].first) == two));
}

BOOST_AUTO_TEST_CASE(a_stages_last_peer_never_moves) {
  const std::map<worker_id, stage_id> places{{worker(1), zero}};
  const auto plan =
      plan_rescue(places, {{worker(1), {{zero, versions({5})}, {one, versions({5})}}}}, 2);
  BOOST_TEST((plan.what == verdict::wait));
  BOOST_TEST((plan.stage == one));
  BOOST_TEST(plan.sentence().find("stage 1 has no peer") == 0U);
}

BOOST_AUTO_TEST_CASE(a_worker_that_has_not_answered_the_last_restore_is_none) {
  const std::map<worker_id, stage_id> places{
      {worker(1), zero}, {worker(2), zero}, {worker(3), zero}, {worker(4), one}};
  const inventory_map kept{{worker(1), {{zero, versions({5})}, {one, versions({5})}}}};
  BOOST_TEST((plan_rescue(places, kept, 2).what == verdict::restore));
  // The place that it takes does not keep others out, and it is not sent anywhere.
  const auto plan = plan_rescue(places, kept, 2, {worker(3), worker(4)});
  BOOST_TEST((plan.what == verdict::move));
  BOOST_REQUIRE(plan.moves.size() == 1U);
  BOOST_TEST((plan.moves[0].first == worker(2)));
  BOOST_TEST((plan.moves[0].second == one));
  // Nobody is left to spare: it may only be slow.
  BOOST_TEST(
      (plan_rescue(places, kept, 2, {worker(2), worker(3), worker(4)}).what == verdict::restore));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_brought_back_is_named) {
  const std::map<worker_id, stage_id> places{{worker(1), zero}, {worker(2), one}};
  const auto none = plan_rescue(places, {{worker(1), {{zero, versions({10, 20})}}}}, 2);
  BOOST_TEST((none.what == verdict::lost));
  BOOST_TEST((none.stage == one));
  const auto apart =
      plan_rescue(places, {{worker(1), {{zero, versions({20, 30})}, {one, versions({10})}}}}, 2);
  BOOST_TEST((apart.what == verdict::lost));
  BOOST_TEST((apart.stage == one));
  BOOST_TEST(apart.sentence().find("0 at step 30, 1 at step 10") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(moves_fill_all_stages_and_empty_none_while_there_are_peers_enough) {
  splitmix64 random{3};
  for (int run = 0; run < 500; ++run) {
    const auto stages = static_cast<int32_t>(1 + random.below(6));
    const auto peers = static_cast<uint64_t>(stages) + random.below(6);
    std::map<worker_id, stage_id> places;
    inventory_map kept;
    for (uint64_t p = 1; p <= peers; ++p)
      places[worker(p)] =
          stage_id{static_cast<int32_t>(random.below(static_cast<uint64_t>(stages)))};
    for (int32_t s = 0; s < stages; ++s)
      kept[worker(1)][stage_id{s}] = versions({4});
    const auto plan = plan_rescue(places, kept, stages);
    BOOST_TEST((plan.what == verdict::move || plan.what == verdict::restore));
    for (const auto& [who, to] : plan.moves)
      places[who] = to;
    std::set<stage_id> served;
    for (const auto& [who, at] : places)
      served.insert(at);
    BOOST_TEST(served.size() == static_cast<size_t>(stages));
  }
}

BOOST_AUTO_TEST_CASE(a_copy_in_the_stage_itself_is_not_backed_up) {
  const std::map<worker_id, stage_id> places{{worker(1), zero}, {worker(2), one}};
  inventory_map kept{{worker(1), {{zero, versions({8})}}}, {worker(2), {{one, versions({8})}}}};
  BOOST_TEST(!backed_up(weights_id{{}, step_id{8}}, places, kept, 2));
  kept[worker(1)][one] = versions({8});
  BOOST_TEST(!backed_up(weights_id{{}, step_id{8}}, places, kept, 2));
  kept[worker(2)][zero] = versions({8, 9});
  BOOST_TEST(backed_up(weights_id{{}, step_id{8}}, places, kept, 2));
  BOOST_TEST(!backed_up(weights_id{{}, step_id{9}}, places, kept, 2));
}

BOOST_AUTO_TEST_CASE(of_a_single_stage_two_copies_are_safe) {
  const std::map<worker_id, stage_id> places{{worker(1), zero}, {worker(2), zero}};
  inventory_map kept{{worker(1), {{zero, versions({8})}}}};
  BOOST_TEST(!backed_up(weights_id{{}, step_id{8}}, places, kept, 1));
  kept[worker(2)][zero] = versions({8});
  BOOST_TEST(backed_up(weights_id{{}, step_id{8}}, places, kept, 1));
}
