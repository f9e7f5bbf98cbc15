#include "tools/swarm/stage_choice.hpp"

#include <boost/test/unit_test.hpp>
#include <set>
#include <vector>

using namespace swarm;
using tools::choose_stage;

namespace {

wire::member worker(uint64_t peer, int32_t stage, wire::member_state state) {
  wire::member m;
  m.id = {peer_id{peer}, incarnation_id{1}};
  m.stage = stage_id{stage};
  m.state = state;
  return m;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_stage_with_the_fewest_workers_is_chosen) {
  const std::vector<wire::member> members{
      worker(1, 0, wire::member_state::serving), worker(2, 0, wire::member_state::serving),
      worker(3, 1, wire::member_state::joining), worker(4, 2, wire::member_state::serving),
      worker(5, 2, wire::member_state::following)};
  BOOST_CHECK(choose_stage(members, 3, peer_id{9}) == stage_id{1});
}

BOOST_AUTO_TEST_CASE(its_own_former_life_does_not_count) {
  const std::vector<wire::member> members{worker(1, 0, wire::member_state::serving),
                                          worker(9, 1, wire::member_state::serving)};
  BOOST_CHECK(choose_stage(members, 2, peer_id{9}) == stage_id{1});
}

BOOST_AUTO_TEST_CASE(trainers_and_nonsense_are_not_counted) {
  auto trainer = worker(1, 0, wire::member_state::serving);
  trainer.role = wire::member_role::trainer;
  const std::vector<wire::member> members{trainer, worker(2, 99, wire::member_state::serving),
                                          worker(3, -1, wire::member_state::serving),
                                          worker(4, 1, wire::member_state::serving)};
  BOOST_CHECK(choose_stage(members, 2, peer_id{9}) == stage_id{0});
}

BOOST_AUTO_TEST_CASE(newcomers_that_choose_at_once_spread) {
  std::set<int32_t> chosen;
  for (uint64_t peer = 1; peer <= 64; ++peer)
    chosen.insert(choose_stage({}, 4, peer_id{peer * 7919}).value());
  BOOST_TEST(chosen.size() == 4U);
}

BOOST_AUTO_TEST_CASE(who_still_has_the_state_of_a_stage_that_nobody_serves_takes_that) {
  const std::vector<wire::member> members{worker(1, 0, wire::member_state::serving),
                                          worker(2, 1, wire::member_state::joining)};
  BOOST_CHECK(choose_stage(members, 3, peer_id{9}, {stage_id{1}}) == stage_id{1});
  // Somebody serves it, and another stage has nobody.
  BOOST_CHECK(choose_stage(members, 3, peer_id{9}, {stage_id{0}}) == stage_id{2});
}

BOOST_AUTO_TEST_CASE(who_still_has_a_state_returns_to_it_unless_others_are_needier) {
  std::vector<wire::member> members{worker(1, 0, wire::member_state::serving),
                                    worker(2, 1, wire::member_state::serving),
                                    worker(3, 1, wire::member_state::serving)};
  BOOST_CHECK(choose_stage(members, 2, peer_id{9}, {stage_id{1}}) == stage_id{1});
  members.push_back(worker(4, 1, wire::member_state::serving));
  BOOST_CHECK(choose_stage(members, 2, peer_id{9}, {stage_id{1}}) == stage_id{0});
}
