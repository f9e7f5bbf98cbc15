#include "actors/training/reduce_watch.hpp"

#include <boost/test/unit_test.hpp>

using namespace swarm;
using namespace swarm::training;

namespace {

constexpr double least_s = 10;

worker_id member(uint64_t n) {
  return {peer_id{n}, incarnation_id{1}};
}

reduce_watch of_four() {
  reduce_watch watch{least_s};
  watch.begin({member(1), member(2), member(3), member(4)}, 0);
  return watch;
}

}  // namespace

BOOST_AUTO_TEST_CASE(nobody_is_in_the_way_of_a_group_that_moves) {
  auto watch = of_four();
  for (int second = 1; second < 100; ++second)
    for (uint64_t n = 1; n <= 4; ++n)
      watch.heard(member(n), static_cast<uint32_t>(second), {member(n % 4 + 1)}, second);
  BOOST_TEST(!watch.in_the_way(100).has_value());
}

BOOST_AUTO_TEST_CASE(who_waits_for_a_slow_member_is_not_given_up_nor_is_the_slow_one) {
  auto watch = of_four();
  for (int second = 1; second < 100; ++second) {
    for (uint64_t n : {1, 2, 3})
      watch.heard(member(n), 1, {member(4)}, second);
    watch.heard(member(4), static_cast<uint32_t>(second), {}, second);
  }
  BOOST_TEST(!watch.in_the_way(100).has_value());
}

BOOST_AUTO_TEST_CASE(a_member_that_all_wait_for_and_that_is_through_is_in_the_way) {
  auto watch = of_four();
  watch.through(member(4));
  for (uint64_t n : {1, 2, 3})
    watch.heard(member(n), 1, {member(4)}, 1);
  BOOST_TEST(!watch.in_the_way(10.5).has_value());
  BOOST_TEST((watch.in_the_way(11.5) == member(4)));
}

BOOST_AUTO_TEST_CASE(the_root_of_a_chain_is_given_up_and_not_who_waits_in_between) {
  auto watch = of_four();
  watch.heard(member(1), 1, {member(2)}, 1);
  watch.heard(member(2), 1, {member(3)}, 1);
  watch.heard(member(4), 1, {member(3)}, 1);
  watch.heard(member(3), 1, {}, 1);
  BOOST_TEST((watch.in_the_way(20) == member(3)));
}

BOOST_AUTO_TEST_CASE(a_chain_that_ends_at_work_is_waited_for) {
  auto watch = of_four();
  watch.heard(member(1), 1, {member(2)}, 1);
  watch.heard(member(2), 1, {member(3)}, 1);
  watch.heard(member(4), 1, {member(3)}, 1);
  for (int second = 1; second <= 20; ++second)
    watch.heard(member(3), static_cast<uint32_t>(second), {member(1)}, second);
  BOOST_TEST(!watch.in_the_way(20).has_value());
}

BOOST_AUTO_TEST_CASE(in_a_ring_the_one_that_most_wait_for_is_given_up) {
  auto watch = of_four();
  watch.heard(member(1), 1, {member(2)}, 1);
  watch.heard(member(2), 1, {member(1)}, 1);
  watch.heard(member(3), 1, {member(2)}, 1);
  watch.heard(member(4), 1, {member(2), member(1)}, 1);
  BOOST_TEST((watch.in_the_way(20) == member(2)));
}

BOOST_AUTO_TEST_CASE(after_a_loss_the_others_have_time_to_ask_somebody_else) {
  auto watch = of_four();
  for (uint64_t n : {1, 2, 3})
    watch.heard(member(n), 1, {member(4)}, 1);
  watch.lost(member(4), 20);
  BOOST_TEST(!watch.in_the_way(29).has_value());
  for (uint64_t n : {1, 2, 3})
    watch.heard(member(n), 1, {member(4), member(3)}, 29);
  BOOST_TEST((watch.in_the_way(31) == member(3)));
}

BOOST_AUTO_TEST_CASE(the_patience_is_a_multiple_of_the_pace_also_of_the_last_all_reduce) {
  auto watch = of_four();
  watch.heard(member(1), 1, {}, 30);
  BOOST_TEST(watch.patience_s() == 120);
  watch.begin({member(1), member(2)}, 100);
  BOOST_TEST(watch.patience_s() == 120);
  watch.begin({member(1), member(2)}, 200);
  BOOST_TEST(watch.patience_s() == least_s);
}

BOOST_AUTO_TEST_CASE(computing_a_dead_members_microbatches_again_is_work) {
  auto watch = of_four();
  watch.lost(member(4), 0);
  for (uint64_t n : {1, 2, 3})
    watch.heard(member(n), 1, {member(1)}, 1);
  BOOST_TEST((watch.in_the_way(20) == member(1)));
  BOOST_TEST(!watch.in_the_way(20, 100).has_value());
  watch.share_computed(19);
  BOOST_TEST(!watch.in_the_way(20).has_value());
}
