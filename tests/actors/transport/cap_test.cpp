// The cap on a process' line, which all its links share: bytes per second, each way.

#include <boost/test/unit_test.hpp>

#include "actors/transport/clock.hpp"
#include "tests/actors/transport/endpoint_rig.hpp"
#include "tests/actors/transport/frames.hpp"

using namespace swarm;
using namespace swarm::transport;
using namespace swarm::transport::test;
using namespace std::chrono_literals;

namespace {

constexpr uint64_t bytes_per_s = 8'000'000;
constexpr size_t large_bytes = 250'000;
constexpr size_t large_words = large_bytes / sizeof(uint64_t);

endpoint_options capped() {
  auto result = listening();
  result.bytes_per_s_max = bytes_per_s;
  return result;
}

double seconds_since(moment from) {
  return std::chrono::duration<double>(now() - from).count();
}

/// One endpoint with a cap, linked with others that have none.
struct star {
  party middle{capped()};
  std::vector<std::unique_ptr<party>> others;
  std::vector<link_id> to;    ///< the middle's links to them
  std::vector<link_id> from;  ///< their links to the middle

  explicit star(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      others.push_back(std::make_unique<party>(listening()));
      to.push_back(middle.end->dial(others[i]->end->address()));
      BOOST_REQUIRE(middle.saw.wait_up(i + 1));
      BOOST_REQUIRE(others[i]->saw.wait_up());
      from.push_back(*others[i]->saw.wait_up());
    }
  }

  size_t bulk_at(size_t i) const { return others[i]->end->counted(from[i]).received.bulk_messages; }
};

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_sent_over_all_links_together_is_capped) {
  star s{4};
  const auto start = now();
  for (size_t n = 0; n < 4; ++n)
    for (size_t i = 0; i < 4; ++i)
      s.middle.end->send(s.to[i], head_with(n), make_frame(large_words));
  for (const auto& each : s.others)
    BOOST_REQUIRE(each->saw.wait_messages(4));
  // 4 MB at 8 MB/s, of which a burst was saved up.
  BOOST_TEST(seconds_since(start) > 0.45);
}

BOOST_AUTO_TEST_CASE(what_comes_over_all_links_together_is_capped) {
  star s{4};
  const auto start = now();
  for (size_t n = 0; n < 8; ++n)
    for (size_t i = 0; i < 4; ++i)
      s.others[i]->end->send(s.from[i], head_with(n), make_frame(large_words));
  BOOST_REQUIRE(s.middle.saw.wait_messages(32));
  // 8 MB at 8 MB/s, of which the last windows were sent before they were paid for.
  BOOST_TEST(seconds_since(start) > 0.65);
}

BOOST_AUTO_TEST_CASE(each_way_has_a_cap_of_its_own) {
  const auto measure = [](bool both) {
    star s{2};
    const auto start = now();
    for (size_t n = 0; n < 8; ++n) {
      for (size_t i = 0; i < 2; ++i) {
        s.middle.end->send(s.to[i], head_with(n), make_frame(large_words));
        if (both) s.others[i]->end->send(s.from[i], head_with(n), make_frame(large_words));
      }
    }
    for (const auto& each : s.others)
      BOOST_REQUIRE(each->saw.wait_messages(8));
    if (both) BOOST_REQUIRE(s.middle.saw.wait_messages(16));
    return seconds_since(start);
  };
  // 4 MB each way, at the same time.
  const double one_way_s = measure(false);
  const double both_s = measure(true);
  BOOST_TEST(one_way_s > 0.45);
  BOOST_TEST(both_s < 1.8 * one_way_s);
}

BOOST_AUTO_TEST_CASE(one_link_with_much_to_send_leaves_the_others_their_part) {
  star s{2};
  // 8 MB are queued for one before the other gets its first.
  for (size_t n = 0; n < 32; ++n)
    s.middle.end->send(s.to[0], head_with(n), make_frame(large_words));
  for (size_t n = 0; n < 4; ++n)
    s.middle.end->send(s.to[1], head_with(n), make_frame(large_words));
  BOOST_REQUIRE(s.others[1]->saw.wait_messages(4));
  // While the second got 1 MB, the first got as much, not its 8.
  BOOST_TEST(s.bulk_at(0) <= 8U);
  BOOST_REQUIRE(s.others[0]->saw.wait_messages(32));
}

BOOST_AUTO_TEST_CASE(control_is_not_held_up_by_bulk_of_other_links) {
  star s{3};
  for (size_t n = 0; n < 16; ++n) {
    for (size_t i = 0; i < 2; ++i) {
      s.middle.end->send(s.to[i], head_with(n), make_frame(large_words));
      s.others[i]->end->send(s.from[i], head_with(n), make_frame(large_words));
    }
  }
  // A question to the third and its answer, again and again, while the lines of both are full.
  s.others[2]->saw.look([&](witness& w) {
    w.answer = [&](link_id link, const heading& head) {
      s.others[2]->end->send(link, head, make_frame(100));
    };
  });
  const auto answered = [](uint64_t request) {
    return [request](witness& w) {
      for (const auto& each : w.messages)
        if (each.head.request == request) return true;
      return false;
    };
  };
  for (uint64_t n = 1'000; n < 1'010; ++n) {
    s.middle.end->send(s.to[2], head_with(n), make_frame(100));
    BOOST_REQUIRE(s.middle.saw.wait([&] { return answered(n)(s.middle.saw); }));
  }
  // 4 MB went each way meanwhile, or would have.
  BOOST_TEST(s.bulk_at(0) < 16U);
  BOOST_TEST(s.bulk_at(1) < 16U);
  for (size_t i = 0; i < 2; ++i)
    BOOST_REQUIRE(s.others[i]->saw.wait_messages(16));
  BOOST_REQUIRE(s.middle.saw.wait_messages(32 + 10));
}

BOOST_AUTO_TEST_CASE(a_link_that_ends_hands_on_its_turn) {
  star s{3};
  for (size_t n = 0; n < 8; ++n)
    for (size_t i = 0; i < 3; ++i)
      s.middle.end->send(s.to[i], head_with(n), make_frame(large_words));
  BOOST_REQUIRE(s.others[0]->saw.wait_messages(1));
  s.others[0]->end.reset();
  s.middle.end->close(s.to[1], "enough");
  BOOST_REQUIRE(s.others[2]->saw.wait_messages(8));
}
