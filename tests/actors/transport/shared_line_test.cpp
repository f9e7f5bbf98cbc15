#include "actors/transport/shared_line.hpp"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "actors/random.hpp"

using namespace swarm;
using namespace swarm::transport;
using namespace std::chrono_literals;

namespace {

constexpr uint64_t rate = 1'000'000;
const link_id a{1};
const link_id b{2};

}  // namespace

BOOST_AUTO_TEST_CASE(without_a_cap_everybody_may_go) {
  shared_line line{0, 0s};
  BOOST_TEST(!line.capped());
  line.want(a, {true, true});
  line.took(a, size_t{1} << 40, 0);
  for (const auto who : {a, b}) {
    BOOST_TEST(line.control_may_go(who));
    BOOST_TEST(line.bulk_may_go(who));
  }
  BOOST_TEST(!line.next());
  BOOST_TEST(!line.opens_at());
}

BOOST_AUTO_TEST_CASE(the_cap_is_shared_fully_and_evenly) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    splitmix64 draw{seed};
    const size_t count = 1 + draw.below(8);
    shared_line line{rate, 0s};
    std::vector<uint64_t> got(count, 0);
    for (size_t i = 0; i < count; ++i)
      line.want(link_id{i}, {false, true});
    auto now = moment{0};
    while (now < 10s) {
      line.advance(now);
      if (const auto who = line.next()) {
        BOOST_REQUIRE(line.bulk_may_go(*who));
        const size_t bytes = 1 + draw.below(line.packet_bytes());
        line.took(*who, bytes, 0);
        got[who->value()] += bytes;
      } else {
        now = *line.opens_at();
      }
    }
    uint64_t sum = 0;
    for (const auto each : got) {
      sum += each;
      BOOST_TEST(each >= 10 * rate / count - 3 * line.packet_bytes());
    }
    BOOST_TEST(sum >= 10 * rate);
    BOOST_TEST(sum <= 10 * rate + 3 * rate / 50);
  }
}

BOOST_AUTO_TEST_CASE(control_of_one_goes_while_bulk_of_another_has_taken_all) {
  shared_line line{rate, 0s};
  line.want(a, {false, true});
  while (line.bulk_may_go(a))
    line.took(a, line.packet_bytes(), 0);
  BOOST_TEST(!line.next());
  line.want(b, {true, false});
  BOOST_TEST((line.next() == b));
  BOOST_TEST(line.control_may_go(b));
  BOOST_TEST(!line.bulk_may_go(b));
  line.took(b, 0, 100);
  line.want(b, {});
  BOOST_TEST(!line.next());
  line.advance(*line.opens_at());
  BOOST_TEST((line.next() == a));
}

BOOST_AUTO_TEST_CASE(bulk_waits_for_the_control_of_others) {
  shared_line line{rate, 0s};
  line.want(a, {false, true});
  line.want(b, {true, false});
  BOOST_TEST((line.next() == b));
  BOOST_TEST(!line.bulk_may_go(a));
  line.want(b, {});
  BOOST_TEST(line.bulk_may_go(a));
}

BOOST_AUTO_TEST_CASE(who_cannot_go_on_or_is_gone_keeps_nobody_waiting) {
  shared_line line{rate, 0s};
  line.want(a, {false, true});
  line.want(b, {false, true});
  BOOST_TEST((line.next() == a));
  line.want(a, {});
  BOOST_TEST((line.next() == b));
  line.want(a, {true, true});
  line.forget(a);
  BOOST_TEST((line.next() == b));
  line.forget(b);
  BOOST_TEST(!line.opens_at());
}

BOOST_AUTO_TEST_CASE(what_came_unasked_delays_bulk_by_no_more_than_control_may) {
  shared_line line{rate, 0s};
  line.want(a, {false, true});
  line.came(100 * rate);
  const auto opens = line.opens_at();
  BOOST_REQUIRE(opens);
  BOOST_TEST((*opens > 0s));
  BOOST_TEST((*opens <= 3 * burst));
}

BOOST_AUTO_TEST_CASE(bulk_that_came_before_it_was_granted_is_paid_for) {
  shared_line line{rate, 0s};
  line.took(a, 10 * rate, 0);
  line.want(a, {false, true});
  const auto opens = line.opens_at();
  BOOST_REQUIRE(opens);
  BOOST_TEST((*opens > 9s));
}
