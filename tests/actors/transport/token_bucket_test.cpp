#include "actors/transport/token_bucket.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/random.hpp"
#include "actors/transport/endpoint.hpp"

using namespace swarm;
using namespace swarm::transport;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_CASE(without_a_cap_all_may_go) {
  token_bucket bucket{0, 0s};
  bucket.take(size_t{1} << 40);
  BOOST_TEST(bucket.bulk_may_go());
  BOOST_TEST(bucket.control_may_go());
  BOOST_TEST(!bucket.opens_at(true, true));
}

BOOST_AUTO_TEST_CASE(the_cap_holds_for_any_mixture) {
  constexpr uint64_t rate = 1'000'000;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    splitmix64 draw{seed};
    token_bucket bucket{rate, 0s};
    uint64_t taken = 0;
    auto now = moment{0};
    while (now < 10s) {
      bucket.advance(now);
      const bool bulk = draw.below(2) == 0;
      if (bulk ? bucket.bulk_may_go() : bucket.control_may_go()) {
        const size_t bytes = 1 + draw.below(bulk ? bucket.packet_bytes() : 16'000);
        bucket.take(bytes);
        taken += bytes;
      } else {
        now = *bucket.opens_at(!bulk, bulk);
      }
    }
    // Full use, and no more than a burst, its overdraft and a packet beyond.
    BOOST_TEST(taken >= 10 * rate);
    BOOST_TEST(taken <= 10 * rate + 5 * rate / 50);
  }
}

BOOST_AUTO_TEST_CASE(control_goes_when_bulk_has_just_taken_all) {
  token_bucket bucket{1'000'000, 0s};
  while (bucket.bulk_may_go())
    bucket.take(bucket.packet_bytes());
  BOOST_TEST(bucket.control_may_go());
  const auto opens = bucket.opens_at(false, true);
  BOOST_REQUIRE(opens);
  bucket.advance(*opens - 1ms);
  BOOST_TEST(!bucket.bulk_may_go());
  bucket.advance(*opens);
  BOOST_TEST(bucket.bulk_may_go());
}

BOOST_AUTO_TEST_CASE(a_packet_takes_no_longer_than_a_burst) {
  const auto bytes = [](uint64_t rate) { return token_bucket{rate, 0s}.packet_bytes(); };
  BOOST_TEST(bytes(1'000'000) == 20'000U);
  BOOST_TEST(bytes(100) == capped_packet_bytes_min);
  BOOST_TEST(bytes(uint64_t{1} << 40) == packet_bytes_max);
}
