#include "actors/peer/roster_message.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

using namespace swarm;
using peer::told_member;

namespace {

told_member worker(uint64_t peer, uint64_t slot) {
  told_member m;
  m.what.id = {peer_id{peer}, incarnation_id{3}};
  m.what.stage = stage_id{2};
  m.what.state = wire::member_state::following;
  m.what.version = 17;
  m.what.term = 5;
  m.what.capacity = 4;
  m.slot = slot;
  m.averager_slot = slot + 1;
  return m;
}

}  // namespace

BOOST_AUTO_TEST_CASE(members_and_neighbours_come_back) {
  const auto message = peer::write_roster(
      {{worker(8, 1030)}, {{peer_id{9}, "h:1"}, {peer_id{10}, ""}}, {worker(11, 1040)}});
  const auto told = peer::parse_roster(message);
  BOOST_REQUIRE(told.members.size() == 1U);
  const auto& m = told.members[0];
  BOOST_CHECK(m.what.id == (worker_id{peer_id{8}, incarnation_id{3}}));
  BOOST_CHECK(m.what.state == wire::member_state::following);
  BOOST_CHECK(m.what.stage == stage_id{2});
  BOOST_TEST(m.what.version == 17);
  BOOST_TEST(m.what.term == 5U);
  BOOST_TEST(m.what.capacity == 4U);
  BOOST_TEST(m.slot == 1030U);
  BOOST_TEST(m.averager_slot == 1031U);
  BOOST_REQUIRE(told.neighbours.size() == 2U);
  BOOST_TEST(told.neighbours[0].announce == "h:1");
  BOOST_REQUIRE(told.relayed.size() == 1U);
  BOOST_CHECK(told.relayed[0].what.id.peer == peer_id{11});
}

BOOST_AUTO_TEST_CASE(what_exceeds_the_limits_is_left_out) {
  std::vector<told_member> many;
  for (uint64_t i = 1; i <= peer::process_members_max + 10; ++i)
    many.push_back(worker(i, 1024 + i));
  const auto told =
      peer::parse_roster(peer::write_roster({many, {{peer_id{1}, std::string(5'000, 'x')}}, {}}));
  BOOST_TEST(told.members.size() == peer::process_members_max);
  BOOST_TEST(told.neighbours.empty());
}

BOOST_AUTO_TEST_CASE(a_member_that_nobody_can_reach_is_left_out) {
  BOOST_TEST(peer::parse_roster(peer::write_roster({{worker(8, 0)}, {}, {}})).members.empty());
}

BOOST_AUTO_TEST_CASE(only_rosters_are_rosters) {
  const auto message = peer::write_roster({});
  const auto type = capnp::typeId<schemas::Roster>();
  BOOST_TEST(!peer::read_roster(type + 1, message.bytes()));
  BOOST_TEST(!peer::read_roster(type, message.bytes())->fault());
  BOOST_CHECK(peer::read_roster(type, wire::errc::truncated)->fault() == wire::errc::truncated);
  BOOST_TEST(peer::read_roster(type, wire::frame_ptr{})->fault().has_value());
}
