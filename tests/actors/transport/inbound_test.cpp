#include "actors/transport/inbound.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/actors/transport/inbound_rig.hpp"

using namespace swarm;
using namespace swarm::transport;
using namespace swarm::transport::test;

namespace {

constexpr size_t word_bytes = sizeof(capnp::word);

size_t all_at_once() {
  return SIZE_MAX;
}

heading with_type(uint64_t type) {
  heading head;
  head.type = type;
  return head;
}

message_head head_of(size_t body_words) {
  message_head head;
  head.words = with_type(9);
  head.body_words = static_cast<uint32_t>(body_words);
  return head;
}

/// A connection's bytes with one of everything.
bytes conversation(std::vector<uint64_t>& checksums) {
  send_queue queue{size_t{1} << 30};
  uint64_t seed = 1;
  for (const auto& [words, parts] : std::vector<std::pair<size_t, size_t>>{
           {1, 1}, {100, 3}, {2000, 1}, {5000, 2}, {100'000, 1}, {30'000, 4}, {0, 1}}) {
    auto frame = make_frame(words, parts, seed++);
    checksums.push_back(checksum(*frame));
    BOOST_REQUIRE(queue.push(with_type(seed), std::move(frame)));
  }
  BOOST_REQUIRE(queue.push(heading{}, nullptr));
  checksums.push_back(0);
  queue.push(packet_kind::beat, as_content(uint64_t{5}));
  auto all = beginning();
  const auto rest = drain(queue);
  append(all, rest.data(), rest.size());
  append_packet(all, packet_kind::bye, "\1good night");
  return all;
}

std::vector<uint64_t> sorted(std::vector<uint64_t> values) {
  std::sort(values.begin(), values.end());
  return values;
}

std::string fault_of(const bytes& all) {
  inbound reader;
  collector came{reader};
  return feed(reader, came, all, all_at_once).value_or("");
}

/// Of what comes after the greetings.
std::string fault_after_greeting(packet_kind kind, const std::string& content, uint32_t stream) {
  auto all = beginning();
  append_packet(all, kind, content, stream);
  return fault_of(all);
}

bool says(const std::string& sentence, const char* words) {
  return sentence.find(words) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(any_split_of_the_bytes_gives_the_same_messages) {
  std::vector<uint64_t> sent;
  const auto all = conversation(sent);
  for (uint64_t seed = 0; seed < 30; ++seed) {
    splitmix64 draw{seed};
    const size_t largest = seed == 0 ? 1 : size_t{1} << draw.below(20);
    inbound reader;
    collector came{reader};
    const auto wrong = feed(reader, came, all, [&] { return 1 + draw.below(largest); });
    BOOST_REQUIRE_MESSAGE(!wrong, *wrong);
    BOOST_TEST(reader.ended());
    std::vector<uint64_t> received;
    for (const auto& each : came.bodies) {
      BOOST_REQUIRE(!each.wrong);
      received.push_back(each.checksum);
    }
    BOOST_TEST(sorted(received) == sorted(sent), boost::test_tools::per_element());
    BOOST_TEST(came.packets.size() == 4U);
    BOOST_TEST(came.packets.back().second == "\1good night");
  }
}

BOOST_AUTO_TEST_CASE(the_bulk_bytes_that_were_read_are_counted) {
  send_queue queue{size_t{1} << 30};
  const auto frame = make_frame(100'000);
  BOOST_REQUIRE(queue.push(with_type(1), frame));
  auto all = beginning();
  const auto rest = drain(queue);
  append(all, rest.data(), rest.size());
  inbound reader;
  collector came{reader};
  BOOST_REQUIRE(!feed(reader, came, all, all_at_once));
  BOOST_TEST(reader.bulk_bytes_read() == frame->body_bytes());
  BOOST_TEST(reader.overhead_bytes_read() + frame->body_bytes() == all.size());
}

BOOST_AUTO_TEST_CASE(garbage_is_refused_and_takes_no_memory) {
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    splitmix64 draw{seed};
    bytes garbage = seed % 2 == 0 ? bytes{} : beginning();
    for (size_t i = 0; i < 300; ++i)
      garbage.push_back(static_cast<uint8_t>(draw.next()));
    inbound reader;
    collector came{reader};
    const auto wrong = feed(reader, came, garbage, [&] { return 1 + draw.below(200); });
    BOOST_TEST(wrong.has_value());
    BOOST_TEST(came.bodies.empty());
    BOOST_TEST(reader.reserved_bytes() <= scratch_bytes);
  }
}

BOOST_AUTO_TEST_CASE(damage_anywhere_is_refused_or_told_and_never_believed) {
  std::vector<uint64_t> sent;
  const auto good = conversation(sent);
  const auto expected = sorted(sent);
  for (uint64_t seed = 0; seed < 100; ++seed) {
    splitmix64 draw{seed};
    auto bad = good;
    bad[draw.below(bad.size())] ^= static_cast<uint8_t>(1U << draw.below(8));
    inbound reader;
    collector came{reader};
    feed(reader, came, bad, [&] { return 1 + draw.below(100'000); });
    for (const auto& each : came.bodies)
      BOOST_TEST(
          (each.wrong || std::binary_search(expected.begin(), expected.end(), each.checksum)));
  }
}

BOOST_AUTO_TEST_CASE(a_damaged_body_is_told_and_the_next_one_arrives) {
  for (const size_t words : {100, 100'000}) {
    send_queue queue{size_t{1} << 30};
    BOOST_REQUIRE(queue.push(with_type(1), make_frame(words, 1, 1)));
    auto first = drain(queue);
    first[first.size() - 300] ^= 1;
    const auto intact = make_frame(words, 1, 2);
    BOOST_REQUIRE(queue.push(with_type(2), intact));
    const auto second = drain(queue);
    auto all = beginning();
    append(all, first.data(), first.size());
    append(all, second.data(), second.size());
    inbound reader;
    collector came{reader};
    BOOST_TEST(!feed(reader, came, all, all_at_once));
    BOOST_REQUIRE(came.bodies.size() == 2U);
    BOOST_TEST((came.bodies[0].wrong == wire::errc::wrong_checksum));
    BOOST_TEST(came.bodies[0].head.type == 1U);
    BOOST_TEST(came.bodies[1].checksum == checksum(*intact));
  }
}

BOOST_AUTO_TEST_CASE(strangers_are_named_by_their_first_bytes) {
  BOOST_TEST(says(fault_of({0x16, 3, 1, 2, 0}), "it speaks TLS"));
  BOOST_TEST(says(fault_of({0x15}), "it speaks TLS"));
  BOOST_TEST(says(fault_of({'G', 'E', 'T'}), "does not begin like a link"));
  BOOST_TEST(says(fault_of({0, 'S', 'W', 'L', 'I', 'N', 'K', 2}), "of this version"));
}

BOOST_AUTO_TEST_CASE(nothing_but_greetings_passes_before_the_greeting) {
  const std::string head = as_content(head_of(0));
  for (const auto& [kind, content] : std::vector<std::pair<packet_kind, std::string>>{
           {packet_kind::message, head},
           {packet_kind::open, head},
           {packet_kind::piece, "x"},
           {packet_kind::seal, as_content(uint64_t{1})},
           {packet_kind::credit, as_content(uint64_t{1})},
           {packet_kind::beat, as_content(uint64_t{1})},
           {packet_kind::bye, "x"}}) {
    bytes all;
    append(all, link_magic.data(), link_magic.size());
    append_packet(all, kind, content);
    BOOST_TEST(says(fault_of(all), "more than a greeting"));
  }
}

BOOST_AUTO_TEST_CASE(a_greeting_takes_memory_only_as_it_arrives) {
  bytes all;
  append(all, link_magic.data(), link_magic.size());
  append_packet(all, packet_kind::hello, std::string(greeting_bytes_max, 'x'));
  inbound reader;
  collector came{reader};
  const bytes start(all.begin(), all.begin() + 100);
  BOOST_REQUIRE(!feed(reader, came, start, all_at_once));
  BOOST_TEST(reader.reserved_bytes() == ungreeted_scratch_bytes);
  const bytes rest(all.begin() + 100, all.end());
  BOOST_REQUIRE(!feed(reader, came, rest, all_at_once));
  BOOST_REQUIRE(came.packets.size() == 1U);
  BOOST_TEST(came.packets[0].second.size() == greeting_bytes_max);
  BOOST_TEST(reader.reserved_bytes() <= greeting_bytes_max + ungreeted_scratch_bytes);
}

BOOST_AUTO_TEST_CASE(pieces_and_checksums_need_an_open_body) {
  BOOST_TEST(says(fault_after_greeting(packet_kind::piece, "x", 3), "belongs to no body"));
  BOOST_TEST(says(fault_after_greeting(packet_kind::piece, "x", 70'000), "belongs to no body"));
  BOOST_TEST(says(fault_after_greeting(packet_kind::seal, as_content(uint64_t{1}), 3),
                  "belongs to no body"));
}

BOOST_AUTO_TEST_CASE(a_body_is_as_long_as_it_said) {
  auto all = beginning();
  append_packet(all, packet_kind::open, as_content(head_of(2)), 1);
  auto longer = all;
  append_packet(longer, packet_kind::piece, std::string(2 * word_bytes + 1, 'x'), 1);
  BOOST_TEST(says(fault_of(longer), "longer than it said"));
  auto shorter = all;
  append_packet(shorter, packet_kind::piece, std::string(2 * word_bytes - 1, 'x'), 1);
  append_packet(shorter, packet_kind::seal, as_content(uint64_t{1}), 1);
  BOOST_TEST(says(fault_of(shorter), "shorter than it said"));
  BOOST_TEST(says(fault_after_greeting(packet_kind::message, as_content(head_of(2)), 0),
                  "longer than it says"));
}

BOOST_AUTO_TEST_CASE(a_stream_is_used_by_one_body_at_a_time) {
  auto all = beginning();
  append_packet(all, packet_kind::open, as_content(head_of(2)), 1);
  append_packet(all, packet_kind::open, as_content(head_of(2)), 1);
  BOOST_TEST(says(fault_of(all), "the same stream"));
  BOOST_TEST(says(fault_after_greeting(packet_kind::open, as_content(head_of(2)), streams_max),
                  "streams_max"));
}

BOOST_AUTO_TEST_CASE(bodies_beyond_the_limit_are_refused_before_they_take_memory) {
  const auto half = head_of(reassembly_bytes_max / 2 / word_bytes);
  auto all = beginning();
  append_packet(all, packet_kind::open, as_content(half), 0);
  append_packet(all, packet_kind::open, as_content(half), 1);
  BOOST_TEST(fault_of(all) == "");
  append_packet(all, packet_kind::open, as_content(head_of(1)), 2);
  BOOST_TEST(says(fault_of(all), "reassembly_bytes_max"));
}

BOOST_AUTO_TEST_CASE(a_complete_body_makes_place_for_the_next) {
  inbound reader;
  collector came{reader};
  BOOST_REQUIRE(!feed(reader, came, beginning(), all_at_once));
  const size_t before = reader.reserved_bytes();
  send_queue queue{size_t{1} << 30};
  for (uint64_t seed = 0; seed < 5; ++seed) {
    BOOST_REQUIRE(queue.push(with_type(1), make_frame(50'000, 1, seed)));
    BOOST_REQUIRE(!feed(reader, came, drain(queue), all_at_once));
  }
  BOOST_TEST(came.bodies.size() == 5U);
  BOOST_TEST(reader.reserved_bytes() <= std::max(before, scratch_bytes));
}

BOOST_AUTO_TEST_CASE(types_and_bodies_go_together) {
  message_head untyped = head_of(1);
  untyped.words.type = 0;
  BOOST_TEST(says(fault_after_greeting(packet_kind::message,
                                       as_content(untyped) + std::string(word_bytes, 'x'), 0),
                  "without a type"));
  BOOST_TEST(says(fault_after_greeting(packet_kind::open, as_content(untyped), 0), "no type"));
  auto all = beginning();
  append_packet(all, packet_kind::message, as_content(head_of(0)));
  inbound reader;
  collector came{reader};
  BOOST_TEST(!feed(reader, came, all, all_at_once));
  BOOST_REQUIRE(came.bodies.size() == 1U);
  BOOST_TEST((came.bodies[0].wrong == wire::errc::truncated));
}
