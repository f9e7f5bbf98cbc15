#include "actors/averaging/reduce_plan.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <limits>
#include <map>
#include <random>

#include "actors/averaging/part_units.hpp"

namespace {

using namespace swarm;
using namespace swarm::averaging;

std::vector<reduce_member> group_of(size_t contributors, size_t followers = 0) {
  std::vector<reduce_member> group;
  for (size_t i = 0; i < contributors + followers; ++i)
    group.push_back({{peer_id{i + 1}, incarnation_id{1}}, i < contributors, 0});
  return group;
}

reduce_plan plan_of(std::vector<reduce_member> group, size_t elements, size_t part = 0) {
  return reduce_plan::make(std::move(group), elements, part).value();
}

std::map<size_t, size_t> parts_by_owner(const reduce_plan& plan) {
  std::map<size_t, size_t> result;
  for (uint32_t p = 0; p < plan.parts(); ++p)
    ++result[plan.owner(p)];
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(parts_cover_the_vector) {
  std::mt19937_64 random(4);
  for (int trial = 0; trial < 300; ++trial) {
    const auto plan = plan_of(group_of(1 + random() % 8), random() % 5000, 1 + random() % 300);
    size_t at = 0;
    for (uint32_t p = 0; p < plan.parts(); ++p) {
      BOOST_TEST(plan.part(p).begin == at);
      BOOST_TEST(plan.part(p).count > 0U);
      at += plan.part(p).count;
    }
    BOOST_TEST(at == plan.elements());
  }
}

BOOST_AUTO_TEST_CASE(owners_have_parts_in_proportion_to_their_bandwidth) {
  auto group = group_of(4, 1);
  BOOST_TEST((parts_by_owner(plan_of(group, 1000, 10)) ==
              std::map<size_t, size_t>{{0, 25}, {1, 25}, {2, 25}, {3, 25}}));
  group[1].bandwidth = 3;
  group[3].bandwidth = 1;
  group[4].bandwidth = 9;  // a follower's does not count
  BOOST_TEST(
      (parts_by_owner(plan_of(group, 1000, 10)) == std::map<size_t, size_t>{{1, 75}, {3, 25}}));
  // The largest numbers there may be.
  for (auto& m : group)
    m.bandwidth = std::numeric_limits<uint32_t>::max();
  const auto largest = parts_by_owner(plan_of(group, parts_max, 1));
  BOOST_TEST(largest.size() == 4U);
  for (const auto& [owner, parts] : largest)
    BOOST_TEST(parts == parts_max / 4);
}

BOOST_AUTO_TEST_CASE(a_lost_member_s_parts_are_dealt_from_the_next_member_on) {
  auto plan = plan_of(group_of(4, 1), 8, 1);
  std::vector<uint32_t> dealt;
  BOOST_TEST(!plan.revise({{2, {0, 1}}}, &dealt));
  BOOST_TEST((dealt == std::vector<uint32_t>{4, 5}));
  BOOST_TEST(plan.owner(4) == 3U);
  BOOST_TEST(plan.owner(5) == 0U);
  BOOST_TEST(plan.first_owner(5) == 2U);
  BOOST_TEST(plan.lost(2));
  BOOST_TEST((plan.loss_of(2)->helpers == std::vector<size_t>{0, 1}));
  BOOST_TEST(plan.loss_of(3) == nullptr);
}

BOOST_AUTO_TEST_CASE(shares_are_of_slices_of_the_parts) {
  auto plan = plan_of(group_of(4, 1), 8, 1);
  BOOST_TEST((plan.revise({{2, {0, 1, 3}, 2}}) == averaging_errc::bad_losses));
  BOOST_TEST((plan.revise({{2, {0, 1}, 0}}) == averaging_errc::bad_losses));
  BOOST_TEST(!plan.revise({{2, {0, 1, 3, 0}, 2}}));
  for (uint32_t part = 0; part < plan.parts(); ++part) {
    const part_units units{plan, part};
    for (uint32_t share = 0; share < 4; ++share)
      BOOST_TEST(units.lacks_share(plan, {2, share}) == (share % 2 == part % 2));
    // Three own vectors, and the two pieces of what the lost one held.
    BOOST_TEST(units.lacking() == 5U);
  }
  BOOST_TEST((plan.revise({{2, {0, 1, 3, 0}, 4}}) == averaging_errc::bad_losses));
}

/// The law that lets a member skip revisions.
BOOST_AUTO_TEST_CASE(owners_follow_from_the_losses_alone) {
  std::mt19937_64 random(9);
  for (int trial = 0; trial < 300; ++trial) {
    const size_t members = 4 + random() % 6;
    const auto first = plan_of(group_of(members, random() % 2), 200, 3);
    std::vector<size_t> order(members);
    for (size_t i = 0; i < members; ++i)
      order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    auto step_by_step = first;
    auto at_once = first;
    std::vector<reduce_loss> losses;
    for (size_t k = 0; k < 3; ++k) {
      // Helpers differ from revision to revision.
      for (auto& loss : losses)
        loss.helpers = {order[3 + random() % (members - 3)]};
      losses.push_back({order[k], {order[3]}});
      BOOST_TEST(!step_by_step.revise(losses));
    }
    BOOST_TEST(!at_once.revise(losses));
    for (uint32_t p = 0; p < first.parts(); ++p) {
      BOOST_TEST(step_by_step.owner(p) == at_once.owner(p));
      BOOST_TEST(!at_once.lost(at_once.owner(p)));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_size_of_parts_follows_the_group) {
  BOOST_TEST(part_elements_for(250'000'000, 2) == part_elements_max);
  // 128 parts for each of 100 owners.
  BOOST_TEST(part_elements_for(250'000'000, 100) == 19536U);
  BOOST_TEST(part_elements_for(5000, 4) == part_elements_min);
  BOOST_TEST(plan_of(group_of(2), 0).parts() == 0U);
}

BOOST_AUTO_TEST_CASE(groups_that_make_no_sense_are_refused) {
  averaging_errc why{};
  BOOST_TEST(!reduce_plan::make({}, 10, 1, &why));
  BOOST_TEST((why == averaging_errc::bad_group));
  BOOST_TEST(!reduce_plan::make(group_of(0, 2), 10, 1, &why));
  auto twice = group_of(2);
  twice[1].id = twice[0].id;
  BOOST_TEST(!reduce_plan::make(twice, 10, 1, &why));
  BOOST_TEST((why == averaging_errc::bad_group));
  BOOST_TEST(!reduce_plan::make(group_of(group_members_max + 1), 10, 1, &why));
  BOOST_TEST(!reduce_plan::make(group_of(2), parts_max + 1, 1, &why));
  BOOST_TEST((why == averaging_errc::bad_part_size));
}
