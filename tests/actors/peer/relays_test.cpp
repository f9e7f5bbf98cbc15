#include "actors/peer/relays.hpp"

#include <boost/test/unit_test.hpp>
#include <set>
#include <vector>

#include "actors/peer/peer_ids.hpp"

using namespace swarm;
using peer::relays;
using transport::link_id;

namespace {

wire::member worker(uint64_t peer, int64_t version = 0) {
  wire::member m;
  m.id = {peer_id{peer}, incarnation_id{1}};
  m.version = version;
  return m;
}

const auto nobody = [](peer_id) { return false; };

}  // namespace

BOOST_AUTO_TEST_CASE(a_member_that_several_pass_on_is_announced_once) {
  relays all;
  all.hear(link_id{1}, {worker(7)});
  all.hear(link_id{2}, {worker(7)});
  const auto changed = all.settle(nobody);
  BOOST_TEST(changed.announce.size() == 1U);
  BOOST_TEST(changed.withdraw.empty());
  BOOST_TEST(all.settle(nobody).announce.empty());
}

BOOST_AUTO_TEST_CASE(when_a_relay_is_gone_another_serves_and_with_the_last_one_the_member_goes) {
  relays all;
  all.hear(link_id{1}, {worker(7)});
  all.hear(link_id{2}, {worker(7)});
  all.settle(nobody);
  all.forget(link_id{1});
  BOOST_TEST(all.settle(nobody).announce.size() == 1U);
  all.forget(link_id{2});
  const auto changed = all.settle(nobody);
  BOOST_TEST(changed.announce.empty());
  BOOST_TEST(changed.withdraw.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_relay_that_serves_stays_when_an_older_link_offers_the_same) {
  relays all;
  all.hear(link_id{5}, {worker(7)});
  all.settle(nobody);
  all.hear(link_id{1}, {worker(7)});
  BOOST_TEST(all.settle(nobody).announce.empty());
}

BOOST_AUTO_TEST_CASE(what_changed_is_announced_again) {
  relays all;
  all.hear(link_id{1}, {worker(7, 3)});
  all.settle(nobody);
  all.hear(link_id{1}, {worker(7, 4)});
  const auto changed = all.settle(nobody);
  BOOST_REQUIRE(changed.announce.size() == 1U);
  BOOST_TEST(changed.announce[0].version == 4);
}

BOOST_AUTO_TEST_CASE(who_is_linked_needs_no_relay_nor_does_its_coordinator) {
  relays all;
  auto coordinator = worker(0);
  coordinator.id.peer = peer::coordinator_id_of(peer_id{7});
  all.hear(link_id{1}, {worker(7), coordinator});
  BOOST_TEST(all.settle(nobody).announce.size() == 2U);
  const auto changed = all.settle([](peer_id who) { return who == peer_id{7}; });
  BOOST_TEST(changed.withdraw.size() == 2U);
}

BOOST_AUTO_TEST_CASE(what_exceeds_the_limit_is_left_out) {
  relays all;
  std::vector<wire::member> many;
  for (uint64_t i = 1; i <= peer::relayed_members_max + 5; ++i)
    many.push_back(worker(i));
  all.hear(link_id{1}, many);
  BOOST_TEST(all.settle(nobody).announce.size() == peer::relayed_members_max);
}
