#include "actors/peer/clock_watch.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "actors/peer/peer_ids.hpp"

using namespace swarm;
using peer::clock_watch;

namespace {

constexpr int64_t hour_ms = 3'600'000;
/// 2023-11-14 22:13:20 UTC
constexpr int64_t now_ms = 1'700'000'000'000;

peer_id who(uint64_t n) {
  return peer_id{n << 32};
}

void check_says(const clock_watch& watch, const std::vector<std::string>& parts) {
  const auto why = watch.complaint(now_ms);
  BOOST_REQUIRE(why.has_value());
  for (const auto& part : parts)
    BOOST_TEST(why->find(part) != std::string::npos, part << " in: " << *why);
}

}  // namespace

BOOST_AUTO_TEST_CASE(clocks_that_agree_are_no_news) {
  clock_watch watch;
  BOOST_TEST(!watch.complaint(now_ms));
  watch.heard(who(1), 9'000, "a:1");
  watch.heard(who(2), -9'000, "b:2");
  BOOST_TEST(!watch.complaint(now_ms));
}

BOOST_AUTO_TEST_CASE(of_two_nobody_knows_which_is_wrong) {
  clock_watch watch;
  watch.heard(who(1), -3 * hour_ms, "10.0.0.7:7000");
  BOOST_TEST(!watch.is_own());
  check_says(watch, {"the clock of this machine is 3 h 0 min ahead of that of peer 00000001",
                     "10.0.0.7:7000", "here it is 2023-11-14 22:13:20 UTC",
                     "there 2023-11-14 19:13:20 UTC", "NTP"});
}

BOOST_AUTO_TEST_CASE(who_differs_from_most_has_the_wrong_clock) {
  clock_watch watch;
  for (uint64_t n = 1; n <= 3; ++n)
    watch.heard(who(n), 3 * hour_ms, "a:1");
  watch.heard(who(4), 0, "d:4");
  BOOST_TEST(watch.is_own());
  check_says(watch, {"the clock of this machine is 3 h 0 min behind", "3 of 4 peers"});
  clock_watch healthy;
  healthy.heard(who(1), 0, "a:1");
  healthy.heard(who(2), 0, "b:2");
  healthy.heard(who(3), hour_ms, "c:3");
  BOOST_TEST(!healthy.is_own());
  check_says(healthy, {"the clock of peer 00000003 at c:3 is 1 h 0 min ahead of this one"});
  healthy.forget(who(3));
  BOOST_TEST(!healthy.complaint(now_ms));
}

BOOST_AUTO_TEST_CASE(names_are_short_for_people_and_the_same_for_a_peers_coordinator) {
  const peer_id trainer{0x0123456789abcdef};
  BOOST_TEST(peer::short_name(trainer) == "01234567");
  BOOST_TEST(peer::full_name(trainer) == "0123456789abcdef");
  BOOST_TEST(peer::short_name(peer::coordinator_id_of(trainer)) == "01234567");
}
