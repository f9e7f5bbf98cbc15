#pragma once

#include <capnp/message.h>
#include <kj/array.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "actors/wire/errc.hpp"
#include "tensors/codec/host_tensor.hpp"

namespace swarm::wire {

/// Bytes on the wire before the segments: magic, type id, XXH3-64 of all that follows.
inline constexpr size_t frame_header_bytes = 24;
inline constexpr uint64_t frame_magic = 0x0031'4d52'4157'5300;  // "\0SWARM1\0", little-endian
/// The largest frame a reader accepts, tensors included.
inline constexpr size_t frame_bytes_max = size_t{1} << 30;
/// Segments of a frame: the message's own and one per attached tensor.
inline constexpr uint32_t frame_segments_max = 512;
/// Nested structs and lists; our schemas nest 4 deep.
inline constexpr int frame_nesting_max = 16;
inline constexpr size_t tensor_dimensions_max = 8;

using segments = std::vector<kj::ArrayPtr<const capnp::word>>;

/// One immutable Cap'n Proto message and whatever keeps its bytes alive: the builder and the
/// attached tensors (made here), or one flat buffer (received). Shared between threads.
class frame {
 public:
  frame(segments parts, std::vector<std::shared_ptr<const void>> owners, size_t virtual_bytes = 0)
      : parts_(std::move(parts)), owners_(std::move(owners)), virtual_bytes_(virtual_bytes) {}

  const segments& parts() const { return parts_; }

  /// Segment table and segments, without the header.
  size_t body_bytes() const;

  /// Bytes as they stand on the wire, header included.
  size_t wire_bytes() const { return frame_header_bytes + body_bytes(); }

  /// What it would take if its virtual tensors had bytes. Known to who built the frame only.
  size_t modelled_bytes() const { return wire_bytes() + virtual_bytes_; }

  capnp::ReaderOptions reader_options() const;

 private:
  segments parts_;
  std::vector<std::shared_ptr<const void>> owners_;
  size_t virtual_bytes_ = 0;
};

using frame_ptr = std::shared_ptr<const frame>;

/// The table in front of the segments: count - 1, sizes in words, padded to a word.
std::vector<uint32_t> segment_table(const segments& parts);

/// XXH3-64 of table and segments.
uint64_t body_checksum(const std::vector<uint32_t>& table, const segments& parts);

/// Takes over a received body (what follows the header). `out` is set only on success.
std::optional<errc> parse_body(kj::Array<capnp::word> body, frame_ptr& out);

}  // namespace swarm::wire
