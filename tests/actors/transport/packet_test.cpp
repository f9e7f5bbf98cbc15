#include "actors/transport/packet.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/random.hpp"

using namespace swarm;
using namespace swarm::transport;

namespace {

message_head a_head() {
  message_head head;
  head.words = {1, 2, 3, 4, 5};
  head.body_words = 6;
  head.body_checksum = 7;
  return head;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_header_reads_back) {
  const auto bytes = encode(packet_header{1000, 17, packet_kind::piece});
  const auto header = decode_header(bytes.data());
  BOOST_REQUIRE(header);
  BOOST_TEST(header->content_bytes == 1000U);
  BOOST_TEST(header->stream == 17U);
  BOOST_TEST((header->kind == packet_kind::piece));
}

BOOST_AUTO_TEST_CASE(a_header_with_any_bit_flipped_is_refused) {
  const auto good = encode(packet_header{1000, 17, packet_kind::piece});
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bytes = good;
    bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
    BOOST_TEST(!decode_header(bytes.data()), "bit " << bit);
  }
}

BOOST_AUTO_TEST_CASE(a_kind_holds_neither_more_nor_less_than_it_may) {
  for (auto kind = static_cast<uint8_t>(packet_kind::hello);
       kind <= static_cast<uint8_t>(packet_kind::last); ++kind) {
    const auto k = static_cast<packet_kind>(kind);
    const auto accepted = [&](size_t bytes) {
      const auto encoded = encode(packet_header{static_cast<uint32_t>(bytes), 0, k});
      return decode_header(encoded.data()).has_value();
    };
    BOOST_TEST(accepted(content_bytes_min(k)));
    BOOST_TEST(accepted(content_bytes_max(k)));
    BOOST_TEST(!accepted(content_bytes_max(k) + 1));
    BOOST_TEST(!accepted(0xffffffff));
    if (content_bytes_min(k) > 0) BOOST_TEST(!accepted(content_bytes_min(k) - 1));
  }
}

BOOST_AUTO_TEST_CASE(unknown_kinds_are_refused) {
  for (const uint8_t kind : {0, 12, 200, 255}) {
    const auto encoded = encode(packet_header{8, 0, static_cast<packet_kind>(kind)});
    BOOST_TEST(!decode_header(encoded.data()));
  }
}

BOOST_AUTO_TEST_CASE(random_bytes_are_no_header) {
  splitmix64 draw{1};
  for (int i = 0; i < 100'000; ++i) {
    header_bytes bytes;
    put_u64(bytes.data(), draw.next());
    put_u64(bytes.data() + 8, draw.next());
    BOOST_REQUIRE(!decode_header(bytes.data()));
  }
}

BOOST_AUTO_TEST_CASE(a_head_reads_back) {
  const auto head = decode_head(encode(a_head()).data());
  BOOST_REQUIRE(head);
  BOOST_TEST(head->words.target == 1U);
  BOOST_TEST(head->words.source == 2U);
  BOOST_TEST(head->words.request == 3U);
  BOOST_TEST(head->words.type == 4U);
  BOOST_TEST(head->words.kind == 5U);
  BOOST_TEST(head->body_words == 6U);
  BOOST_TEST(head->body_checksum == 7U);
}

BOOST_AUTO_TEST_CASE(a_head_with_any_bit_flipped_is_refused) {
  const auto good = encode(a_head());
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bytes = good;
    bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
    BOOST_TEST(!decode_head(bytes.data()), "bit " << bit);
  }
}

BOOST_AUTO_TEST_CASE(a_body_larger_than_a_frame_is_refused_with_its_head) {
  auto head = a_head();
  head.body_words = wire::frame_bytes_max / sizeof(capnp::word);
  BOOST_TEST(decode_head(encode(head).data()).has_value());
  ++head.body_words;
  BOOST_TEST(!decode_head(encode(head).data()));
}
