#pragma once

#include <kj/array.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actors/transport/packet.hpp"

namespace swarm::transport {

/// Bodies that one link receives at once, together; one always fits.
inline constexpr size_t reassembly_bytes_max = wire::frame_bytes_max;
/// Read at once, beyond the packet in whose middle a link is.
inline constexpr size_t read_ahead_bytes = size_t{4} << 10;
/// Read at once between the packets of large bodies.
inline constexpr size_t scratch_bytes = size_t{64} << 10;
/// The same before the greeting was accepted; grows as bytes arrive, up to a greeting.
inline constexpr size_t ungreeted_scratch_bytes = 512;

struct writable_span {
  uint8_t* data = nullptr;
  size_t size = 0;
};

/// Makes packets and messages of a stream of bytes, which may be cut anywhere. The bytes of a large
/// body are read to where they stay. Memory for a body is taken when it begins, and only after
/// `accept_messages`.
class inbound {
 public:
  class sink {
   public:
    virtual ~sink() = default;
    /// Every kind but message, open, piece and seal.
    virtual void on_packet(packet_kind kind, const uint8_t* content, size_t bytes) = 0;
    virtual void on_body(const heading& head, std::variant<wire::frame_ptr, wire::errc> body,
                         size_t body_bytes, bool bulk) = 0;
  };

  inbound();
  ~inbound();
  inbound(const inbound&) = delete;
  inbound& operator=(const inbound&) = delete;

  /// Only greetings pass before. May be called by the sink.
  void accept_messages();

  /// Where the next bytes belong; the second may be empty. Valid until the next call.
  std::array<writable_span, 2> want();

  /// So many bytes were put where `want` said, the first span first. A sentence when they break the
  /// protocol; then this object is of no further use.
  std::optional<std::string> filled(size_t bytes, sink& to);

  /// A farewell or a refusal came: what follows is not looked at.
  bool ended() const { return ended_; }

  /// Of bodies in pieces, since the beginning.
  uint64_t bulk_bytes_read() const { return bulk_bytes_read_; }
  /// Headers and contents that are not bodies.
  uint64_t overhead_bytes_read() const { return overhead_bytes_read_; }
  /// Memory held for what is not complete.
  size_t reserved_bytes() const { return scratch_size_ + reassembly_bytes_; }

 private:
  struct stream;

  std::optional<std::string> parse(sink& to);
  std::optional<std::string> begin_packet();
  std::optional<std::string> finish_packet(sink& to);
  std::optional<std::string> check_magic();
  std::optional<std::string> begin_piece();
  std::optional<std::string> open_stream(const uint8_t* content);
  std::optional<std::string> seal_stream(const uint8_t* content, sink& to);
  std::optional<std::string> take_message(const uint8_t* content, sink& to);
  void advance_piece(size_t bytes);
  void reserve(size_t bytes);
  size_t needed() const;

  std::unique_ptr<uint8_t[]> scratch_;
  size_t scratch_size_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;

  bool magic_seen_ = false;
  bool messages_ = false;
  bool ended_ = false;
  std::optional<packet_header> header_;

  std::vector<std::unique_ptr<stream>> streams_;  ///< by number
  stream* filling_ = nullptr;
  size_t piece_left_ = 0;
  size_t reassembly_bytes_ = 0;
  uint64_t bulk_bytes_read_ = 0;
  uint64_t overhead_bytes_read_ = 0;
};

}  // namespace swarm::transport
