#include "actors/transport/send_queue.hpp"

#include <boost/test/unit_test.hpp>
#include <map>

#include "tests/actors/transport/inbound_rig.hpp"

using namespace swarm;
using namespace swarm::transport;
using namespace swarm::transport::test;

namespace {

constexpr size_t plenty = size_t{1} << 40;

heading number(uint64_t request) {
  heading head;
  head.type = 1;
  head.request = request;
  return head;
}

struct pair_of_ends {
  send_queue from{size_t{1} << 30};
  inbound to;
  collector came{to};

  pair_of_ends() {
    BOOST_REQUIRE(!feed(to, came, beginning(), [] { return SIZE_MAX; }));
  }

  /// Moves at most so many bytes; how many there were.
  size_t move(size_t limit, const allowance& allowed) {
    std::vector<readable_span> spans;
    from.gather(allowed, spans);
    bytes moved;
    for (const auto& span : spans)
      append(moved, span.data, std::min(span.size, limit - std::min(limit, moved.size())));
    bulk_written += from.wrote(moved.size()).bulk_bytes;
    const auto wrong = feed(to, came, moved, [] { return SIZE_MAX; });
    BOOST_REQUIRE_MESSAGE(!wrong, *wrong);
    return moved.size();
  }

  uint64_t bulk_written = 0;
};

allowance of(size_t bulk_bytes) {
  allowance result;
  result.bulk_bytes = bulk_bytes;
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(whatever_the_socket_takes_the_same_messages_arrive) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    splitmix64 draw{seed};
    pair_of_ends ends;
    std::map<uint64_t, uint64_t> sent;
    uint64_t next = 0;
    for (int round = 0; round < 400; ++round) {
      if (draw.below(4) == 0 && sent.size() < 60) {
        auto frame = make_frame(size_t{1} << draw.below(15), 1 + draw.below(3), draw.next());
        sent[++next] = checksum(*frame);
        BOOST_REQUIRE(ends.from.push(number(next), std::move(frame)));
      }
      if (draw.below(8) == 0) ends.from.push(packet_kind::beat, as_content(draw.next()));
      auto allowed = of(draw.below(300'000));
      allowed.packet_bytes = 1 + draw.below(packet_bytes_max);
      allowed.control = draw.below(3) != 0;
      ends.move(1 + draw.below(size_t{1} << draw.below(20)), allowed);
    }
    while (ends.move(plenty, of(plenty)) > 0) {
    }
    BOOST_TEST(ends.from.empty());
    BOOST_TEST(ends.from.queued_bytes() == 0U);
    BOOST_TEST(ends.from.staged_bulk_bytes() == 0U);
    BOOST_TEST(ends.to.bulk_bytes_read() == ends.bulk_written);
    BOOST_TEST(ends.from.sent().bulk_bytes == ends.bulk_written);
    BOOST_REQUIRE(ends.came.bodies.size() == sent.size());
    uint64_t last_control = 0;
    for (const auto& each : ends.came.bodies) {
      BOOST_TEST(each.checksum == sent.at(each.head.request));
      if (each.bulk) continue;
      BOOST_TEST(each.head.request > last_control);
      last_control = each.head.request;
    }
  }
}

BOOST_AUTO_TEST_CASE(control_overtakes_bulk_that_is_under_way) {
  pair_of_ends ends;
  BOOST_REQUIRE(ends.from.push(number(1), make_frame(1'000'000)));
  ends.move(100'000, of(plenty));
  BOOST_REQUIRE(ends.from.push(number(2), make_frame(10)));
  ends.move(packet_bytes_max + 1000, of(plenty));
  BOOST_REQUIRE(ends.came.bodies.size() == 1U);
  BOOST_TEST(ends.came.bodies[0].head.request == 2U);
}

BOOST_AUTO_TEST_CASE(bodies_take_turns) {
  pair_of_ends ends;
  BOOST_REQUIRE(ends.from.push(number(1), make_frame(4'000'000)));
  ends.move(1000, of(plenty));
  BOOST_REQUIRE(ends.from.push(number(2), make_frame(100'000)));
  size_t moved = 0;
  while (ends.came.bodies.empty())
    moved += ends.move(plenty, of(plenty));
  BOOST_TEST(ends.came.bodies[0].head.request == 2U);
  // Its own 800 kB, about as much of the other, and what was gathered before it came.
  BOOST_TEST(moved <= 2 * 800'000 + 2 * gather_bytes_max + packet_bytes_max);
}

BOOST_AUTO_TEST_CASE(bulk_keeps_to_its_allowance) {
  pair_of_ends ends;
  BOOST_REQUIRE(ends.from.push(number(1), make_frame(1'000'000)));
  BOOST_TEST(ends.move(plenty, of(0)) == 0U);
  for (int i = 0; i < 10; ++i) {
    const auto before = ends.bulk_written;
    ends.move(plenty, of(10'000));
    BOOST_TEST(ends.bulk_written - before == 10'000U);
  }
  // What is gathered but not written counts.
  ends.move(100, of(10'000));
  BOOST_TEST(ends.from.staged_bulk_bytes() <= 10'000U);
  ends.move(0, of(10'000));
  BOOST_TEST(ends.from.staged_bulk_bytes() <= 10'000U);
}

BOOST_AUTO_TEST_CASE(control_waits_when_it_is_told_to) {
  pair_of_ends ends;
  BOOST_REQUIRE(ends.from.push(number(1), make_frame(10)));
  ends.from.push(packet_kind::beat, as_content(uint64_t{1}));
  auto closed = of(0);
  closed.control = false;
  ends.move(plenty, closed);
  BOOST_TEST(ends.came.bodies.empty());
  BOOST_TEST(ends.came.packets.size() == 3U);
  BOOST_TEST(ends.from.has_control());
  ends.move(plenty, of(0));
  BOOST_TEST(ends.came.bodies.size() == 1U);
}

BOOST_AUTO_TEST_CASE(more_bodies_than_streams_wait_their_turn) {
  pair_of_ends ends;
  for (uint64_t i = 0; i < 3 * streams_max; ++i)
    BOOST_REQUIRE(ends.from.push(number(i), make_frame(3000, 1, i)));
  while (ends.move(plenty, of(plenty)) > 0) {
  }
  BOOST_TEST(ends.came.bodies.size() == 3 * streams_max);
}

BOOST_AUTO_TEST_CASE(a_full_queue_takes_nothing_more) {
  send_queue small{10'000};
  BOOST_TEST(small.push(number(1), make_frame(1000)));
  BOOST_TEST(!small.push(number(2), make_frame(1000)));
  BOOST_TEST(small.push(number(3), nullptr));
  drain(small);
  BOOST_TEST(small.push(number(4), make_frame(1000)));
}

BOOST_AUTO_TEST_CASE(the_last_packet_is_the_last) {
  pair_of_ends ends;
  BOOST_REQUIRE(ends.from.push(number(1), make_frame(500'000)));
  BOOST_REQUIRE(ends.from.push(number(2), make_frame(10)));
  ends.from.push_last(packet_kind::bye, "\1done");
  while (ends.move(300'000, of(plenty)) > 0) {
  }
  BOOST_TEST(ends.came.bodies.size() == 2U);
  BOOST_TEST(ends.to.ended());
  BOOST_TEST(ends.from.empty());
}

BOOST_AUTO_TEST_CASE(what_is_dropped_leaves_the_far_side_in_step) {
  for (const size_t written : {0, 1, 15, 40, 100, 70'000, 300'000}) {
    pair_of_ends ends;
    BOOST_REQUIRE(ends.from.push(number(1), make_frame(10)));
    BOOST_REQUIRE(ends.from.push(number(2), make_frame(500'000)));
    ends.move(written, of(plenty));
    ends.from.drop_all();
    ends.from.push_last(packet_kind::bye, "\1enough");
    while (ends.move(plenty, of(plenty)) > 0) {
    }
    BOOST_TEST(ends.to.ended());
    BOOST_TEST(ends.came.packets.back().second == "\1enough");
  }
}

BOOST_AUTO_TEST_CASE(a_frame_of_many_segments_arrives) {
  pair_of_ends ends;
  const auto small = make_frame(3, wire::frame_segments_max, 1);
  const auto large = make_frame(400, wire::frame_segments_max, 2);
  BOOST_REQUIRE(ends.from.push(number(1), small));
  BOOST_REQUIRE(ends.from.push(number(2), large));
  while (ends.move(plenty, of(plenty)) > 0) {
  }
  BOOST_REQUIRE(ends.came.bodies.size() == 2U);
  BOOST_TEST(ends.came.bodies[0].checksum == checksum(*small));
  BOOST_TEST(ends.came.bodies[1].checksum == checksum(*large));
}
