#include "actors/transport/packet.hpp"

#include <xxhash.h>

#include <cstring>

namespace swarm::transport {

namespace {

constexpr size_t check_bytes = 4;
constexpr size_t eight_bytes = 8;

template <class T>
void put(uint8_t*& out, T value) {
  std::memcpy(out, &value, sizeof(T));
  out += sizeof(T);
}

template <class T>
T take(const uint8_t*& bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  bytes += sizeof(T);
  return value;
}

struct content_limits {
  size_t min;
  size_t max;
};

content_limits limits_of(packet_kind kind) {
  switch (kind) {
    case packet_kind::hello:
      return {0, greeting_bytes_max};
    case packet_kind::welcome:
      return {0, 0};
    case packet_kind::refuse:
      return {0, sentence_bytes_max};
    case packet_kind::bye:
      return {1, 1 + sentence_bytes_max};
    case packet_kind::message:
      return {head_bytes, head_bytes + control_body_bytes_max};
    case packet_kind::open:
      return {head_bytes, head_bytes};
    case packet_kind::piece:
      return {1, packet_bytes_max};
    case packet_kind::seal:
    case packet_kind::beat:
    case packet_kind::echo:
    case packet_kind::credit:
      return {eight_bytes, eight_bytes};
  }
  return {1, 0};
}

uint32_t check_of(const uint8_t* header) {
  return static_cast<uint32_t>(XXH3_64bits(header, packet_header_bytes - check_bytes));
}

}  // namespace

size_t content_bytes_max(packet_kind kind) {
  return limits_of(kind).max;
}

size_t content_bytes_min(packet_kind kind) {
  return limits_of(kind).min;
}

header_bytes encode(const packet_header& header) {
  header_bytes result{};
  auto* out = result.data();
  put(out, header.content_bytes);
  put(out, header.stream);
  put(out, uint32_t{static_cast<uint8_t>(header.kind)});
  put(out, check_of(result.data()));
  return result;
}

std::optional<packet_header> decode_header(const uint8_t* bytes) {
  const uint8_t* at = bytes;
  packet_header result;
  result.content_bytes = take<uint32_t>(at);
  result.stream = take<uint32_t>(at);
  const auto kind = take<uint32_t>(at);
  if (take<uint32_t>(at) != check_of(bytes)) return std::nullopt;
  if (kind == 0 || kind > static_cast<uint32_t>(packet_kind::last)) return std::nullopt;
  result.kind = static_cast<packet_kind>(kind);
  const auto [min, max] = limits_of(result.kind);
  if (result.content_bytes < min || result.content_bytes > max) return std::nullopt;
  return result;
}

encoded_head encode(const message_head& head) {
  encoded_head result{};
  auto* out = result.data();
  put(out, head.words.target);
  put(out, head.words.source);
  put(out, head.words.request);
  put(out, head.words.type);
  put(out, head.words.kind);
  put(out, head.body_words);
  put(out, head.body_checksum);
  put(out, static_cast<uint64_t>(XXH3_64bits(result.data(), head_bytes - eight_bytes)));
  return result;
}

std::optional<message_head> decode_head(const uint8_t* bytes) {
  const uint8_t* at = bytes;
  message_head result;
  result.words.target = take<uint64_t>(at);
  result.words.source = take<uint64_t>(at);
  result.words.request = take<uint64_t>(at);
  result.words.type = take<uint64_t>(at);
  result.words.kind = take<uint32_t>(at);
  result.body_words = take<uint32_t>(at);
  result.body_checksum = take<uint64_t>(at);
  if (take<uint64_t>(at) != XXH3_64bits(bytes, head_bytes - eight_bytes)) return std::nullopt;
  if (result.body_words > wire::frame_bytes_max / sizeof(capnp::word)) return std::nullopt;
  return result;
}

void put_u64(uint8_t* out, uint64_t value) {
  put(out, value);
}

uint64_t get_u64(const uint8_t* bytes) {
  return take<uint64_t>(bytes);
}

}  // namespace swarm::transport
