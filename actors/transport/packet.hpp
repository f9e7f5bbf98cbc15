#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "actors/transport/endpoint.hpp"

/// The bytes of packets. Integers are little-endian.
///
///     connection := magic packet*
///     packet     := header (16 bytes) content
///     header     := content bytes (4) stream (4) kind (1) zero (3) check (4)
///     head       := target source request type (8 each) kind (4) body words (4)
///                   body checksum (8) check (8)
///
/// Both checks are XXH3 of what stands before them.
namespace swarm::transport {

/// The first bytes in both directions: "\0SWLINK" and a version.
inline constexpr std::array<uint8_t, 8> link_magic{0, 'S', 'W', 'L', 'I', 'N', 'K', 1};
inline constexpr size_t packet_header_bytes = 16;
inline constexpr size_t head_bytes = 56;
/// Of a refusal or a farewell.
inline constexpr size_t sentence_bytes_max = 1024;

enum class packet_kind : uint8_t {
  hello = 1,  ///< a greeting
  welcome,    ///< the greeting was accepted
  refuse,     ///< the greeting was refused; a sentence
  message,    ///< head and body of a control message
  open,       ///< head of a body that comes in pieces, in the stream of that number
  piece,      ///< its next bytes
  seal,       ///< its checksum: the body is complete
  credit,     ///< bulk bytes that were read since the link is up
  beat,       ///< eight bytes that are to be sent back
  echo,       ///< a beat's bytes
  bye,        ///< nothing comes after it; a down_reason (1) and a sentence
  last = bye
};

struct packet_header {
  uint32_t content_bytes = 0;
  uint32_t stream = 0;
  packet_kind kind = packet_kind::hello;
};

using header_bytes = std::array<uint8_t, packet_header_bytes>;
header_bytes encode(const packet_header& header);
/// Nothing if it is no header: damaged, of an unknown kind or with too much content for its kind.
std::optional<packet_header> decode_header(const uint8_t* bytes);

/// What a packet of this kind may hold.
size_t content_bytes_max(packet_kind kind);
/// What it has to hold.
size_t content_bytes_min(packet_kind kind);

/// The words in front of a body, and what is needed to receive it.
struct message_head {
  heading words;
  uint32_t body_words = 0;
  /// Of a control message; a body in pieces has its checksum behind it.
  uint64_t body_checksum = 0;
};

using encoded_head = std::array<uint8_t, head_bytes>;
encoded_head encode(const message_head& head);
/// Nothing if it is damaged or its body is larger than a frame can be.
std::optional<message_head> decode_head(const uint8_t* bytes);

void put_u64(uint8_t* out, uint64_t value);
uint64_t get_u64(const uint8_t* bytes);

}  // namespace swarm::transport
