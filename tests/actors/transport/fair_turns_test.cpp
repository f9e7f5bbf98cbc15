#include "actors/transport/fair_turns.hpp"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "actors/random.hpp"

using namespace swarm;
using namespace swarm::transport;

namespace {

const link_id a{1};
const link_id b{2};

}  // namespace

BOOST_AUTO_TEST_CASE(nobody_is_next_when_nobody_waits) {
  fair_turns turns;
  BOOST_TEST(!turns.next());
  turns.set_waiting(a, true);
  BOOST_TEST((turns.next() == a));
  turns.set_waiting(a, false);
  BOOST_TEST(!turns.next());
  BOOST_TEST(turns.empty());
}

BOOST_AUTO_TEST_CASE(those_who_wait_all_the_time_get_equal_bytes_whatever_their_packets) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    splitmix64 draw{seed};
    const size_t count = 2 + draw.below(6);
    std::vector<size_t> packet_max(count);
    std::vector<uint64_t> got(count, 0);
    fair_turns turns;
    size_t largest = 0;
    for (size_t i = 0; i < count; ++i) {
      packet_max[i] = 1'000 + draw.below(250'000);
      largest = std::max(largest, packet_max[i]);
      turns.set_waiting(link_id{i}, true);
    }
    for (int n = 0; n < 2'000; ++n) {
      const auto who = turns.next();
      BOOST_REQUIRE(who);
      const size_t bytes = 1 + draw.below(packet_max[who->value()]);
      got[who->value()] += bytes;
      turns.took(*who, bytes);
      const auto [least, most] = std::minmax_element(got.begin(), got.end());
      BOOST_REQUIRE(*most - *least <= 2 * largest);
    }
  }
}

BOOST_AUTO_TEST_CASE(one_who_did_not_wait_has_saved_up_nothing) {
  fair_turns turns;
  turns.set_waiting(a, true);
  turns.set_waiting(b, true);
  turns.took(b, 1'000);
  turns.set_waiting(b, false);
  for (int i = 0; i < 1'000; ++i)
    turns.took(a, 1'000);
  turns.set_waiting(b, true);
  int of_b = 0;
  for (int i = 0; i < 100; ++i) {
    if (turns.next() == b) ++of_b;
    turns.took(*turns.next(), 1'000);
  }
  BOOST_TEST(of_b >= 49);
  BOOST_TEST(of_b <= 51);
}

BOOST_AUTO_TEST_CASE(one_who_comes_and_goes_does_not_get_more) {
  fair_turns turns;
  turns.set_waiting(a, true);
  uint64_t of_a = 0;
  uint64_t of_b = 0;
  for (int i = 0; i < 1'000; ++i) {
    turns.set_waiting(b, true);
    auto& got = turns.next() == b ? of_b : of_a;
    got += 1'000;
    turns.took(*turns.next(), 1'000);
    turns.set_waiting(b, false);
  }
  BOOST_TEST(of_b <= of_a + 1'000);
  BOOST_TEST(of_b >= 400'000U);
}

BOOST_AUTO_TEST_CASE(one_who_is_gone_is_not_next) {
  fair_turns turns;
  turns.set_waiting(a, true);
  turns.set_waiting(b, true);
  turns.forget(a);
  BOOST_TEST((turns.next() == b));
  turns.took(a, 1'000);
  turns.forget(b);
  BOOST_TEST(turns.empty());
}
