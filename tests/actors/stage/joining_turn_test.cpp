#include "actors/stage/joining_turn.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>

#include "actors/random.hpp"

using namespace swarm;
using stage::joining_turn;
using wire::member_state;

namespace {

worker_id worker(uint64_t peer) {
  return {peer_id{peer}, incarnation_id{1}};
}

joining_turn turn_of(uint64_t self, const std::map<uint64_t, member_state>& mates) {
  joining_turn result{worker(self)};
  for (const auto& [peer, state] : mates)
    result.is(worker(peer), state);
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(of_three_joiners_of_one_donor_the_first_begins) {
  const std::map<uint64_t, member_state> mates{{1, member_state::serving},
                                               {2, member_state::joining},
                                               {3, member_state::joining},
                                               {4, member_state::joining}};
  BOOST_TEST(turn_of(2, mates).has_come());
  BOOST_TEST(!turn_of(3, mates).has_come());
  BOOST_TEST(turn_of(3, mates).ahead() == 1U);
  BOOST_TEST(turn_of(4, mates).ahead() == 2U);
}

BOOST_AUTO_TEST_CASE(who_has_begun_goes_before_whoever_comes_later) {
  auto turn = turn_of(2, {{1, member_state::serving}, {9, member_state::following}});
  BOOST_TEST(!turn.has_come());
  turn.is(worker(9), member_state::serving);
  BOOST_TEST(turn.has_come());
}

BOOST_AUTO_TEST_CASE(of_those_that_began_at_once_the_later_ones_step_back) {
  const std::map<uint64_t, member_state> mates{
      {1, member_state::serving}, {2, member_state::following}, {3, member_state::following}};
  BOOST_TEST(!turn_of(2, mates).is_too_many());
  BOOST_TEST(turn_of(3, mates).is_too_many());
  BOOST_TEST(turn_of(4, mates).is_too_many());
  auto alone = turn_of(3, mates);
  alone.is(worker(2), member_state::serving);
  BOOST_TEST(!alone.is_too_many());
}

BOOST_AUTO_TEST_CASE(whoever_dies_is_not_waited_for) {
  auto turn = turn_of(3, {{1, member_state::serving}, {2, member_state::joining}});
  BOOST_TEST(!turn.has_come());
  turn.gone(worker(2));
  BOOST_TEST(turn.has_come());
  turn.gone(worker(1));
  BOOST_TEST(!turn.has_come());
}

/// Law: as long as somebody serves and not all places are taken, somebody may begin; and of those
/// that wait never more than there are places.
BOOST_AUTO_TEST_CASE(places_are_neither_left_empty_nor_taken_twice) {
  splitmix64 random{3};
  for (int run = 0; run < 500; ++run) {
    std::map<uint64_t, member_state> mates;
    size_t serving = 0;
    size_t following = 0;
    size_t waiting = 0;
    for (uint64_t peer = 1 + random.below(8); peer > 0; --peer) {
      const auto state = static_cast<member_state>(random.below(3));
      mates[peer] = state;
      serving += state == member_state::serving ? 1 : 0;
      following += state == member_state::following ? 1 : 0;
      waiting += state == member_state::joining ? 1 : 0;
    }
    size_t begin = 0;
    for (const auto& [peer, state] : mates)
      begin += state == member_state::joining && turn_of(peer, mates).has_come() ? 1 : 0;
    const size_t all = (serving + 1) / 2;
    const size_t places = all > following ? all - following : 0;
    BOOST_TEST(begin == std::min(places, waiting));
  }
}
