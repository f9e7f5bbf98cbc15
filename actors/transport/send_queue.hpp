#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/transport/inbound.hpp"
#include "actors/transport/packet.hpp"

namespace swarm::transport {

/// Handed to the kernel at once, at most.
inline constexpr size_t gather_bytes_max = size_t{1} << 20;
inline constexpr size_t gather_spans_max = 512;
/// Answers to a far side that asks but does not read are dropped beyond it.
inline constexpr size_t urgent_packets_max = 256;

struct readable_span {
  const uint8_t* data = nullptr;
  size_t size = 0;
};

/// Urgent packets keep the link alive; control overtakes bulk, and both their own kind never.
enum class lane : uint8_t { urgent, control, bulk };

/// What may be sent now.
struct allowance {
  bool control = true;
  size_t bulk_bytes = 0;                   ///< not yet written ones included
  size_t packet_bytes = packet_bytes_max;  ///< of the pieces to be cut
  size_t gather_bytes = gather_bytes_max;
};

/// What is left to send on one link, in the order in which it leaves. The pieces of up to
/// streams_max bodies take turns; control messages go between them. Bodies are not copied.
class send_queue {
 public:
  explicit send_queue(size_t queue_bytes_max);
  ~send_queue();
  send_queue(const send_queue&) = delete;
  send_queue& operator=(const send_queue&) = delete;

  /// False: there would be more than queue_bytes_max, or the body is larger than a frame can be;
  /// nothing was queued.
  bool push(const heading& words, wire::frame_ptr body);

  /// An urgent packet.
  void push(packet_kind kind, std::string content = {});
  void push_magic();

  /// After all that is queued now. Nothing may be pushed after it but urgent packets.
  void push_last(packet_kind kind, std::string content);

  /// Drops all but what is written in part.
  void drop_all();

  /// Appends the next bytes to be written; they stay where they are until `wrote`.
  void gather(const allowance& allowed, std::vector<readable_span>& out);

  struct progress {
    size_t bulk_bytes = 0;  ///< of bodies in pieces
  };
  /// So many of the gathered bytes were taken, from the front.
  progress wrote(size_t bytes);

  /// Of messages, not yet written.
  size_t queued_bytes() const { return queued_bytes_; }
  bool empty() const;
  /// There is something that an allowance for bulk would let out.
  bool has_bulk() const { return !turns_.empty() || !waiting_.empty(); }
  bool has_control() const { return !control_.empty(); }
  /// Gathered bulk bytes that were not written.
  size_t staged_bulk_bytes() const { return staged_bulk_bytes_; }

  /// What was written: messages when their last byte was.
  const traffic& sent() const { return sent_; }

 private:
  struct packet {
    lane of = lane::urgent;
    bool ends_message = false;
    std::array<uint8_t, packet_header_bytes + head_bytes> front{};
    size_t front_bytes = 0;
    /// The rest of its bytes, and what keeps them where they are.
    std::vector<readable_span> parts;
    std::shared_ptr<const void> keeps;
    size_t part_bytes = 0;
    size_t body_bytes = 0;  ///< part_bytes, or 0 when those are not of a body
    size_t written = 0;

    size_t bytes() const { return front_bytes + part_bytes; }
  };
  struct stream;
  struct waiting_message {
    heading words;
    wire::frame_ptr body;
    size_t bytes = 0;
  };

  static packet make_packet(packet_kind kind, std::string content);
  packet make_message(const heading& words, wire::frame_ptr body, size_t bytes) const;
  void stage_small(std::deque<packet>& from, size_t& staged, size_t before, size_t bytes_max);
  void stage_bulk(const allowance& allowed);
  void open_streams();
  size_t stage_piece(size_t bytes_max);
  void stage_back(packet made);
  void begin_writing(const packet& first);
  void account(const packet& done);

  const size_t queue_bytes_max_;
  size_t queued_bytes_ = 0;

  std::deque<packet> urgent_;
  std::deque<packet> control_;
  std::deque<waiting_message> waiting_;           ///< bulk, without a stream
  std::vector<std::unique_ptr<stream>> streams_;  ///< by number
  std::deque<uint32_t> turns_;                    ///< streams with bytes to cut
  size_t open_bytes_ = 0;                         ///< of the bodies in streams
  std::optional<packet> last_;

  std::deque<packet> staged_;  ///< in the order of the wire
  size_t staged_urgent_ = 0;   ///< of staged_, not begun
  size_t staged_control_ = 0;
  size_t staged_bytes_ = 0;
  size_t staged_bulk_bytes_ = 0;

  traffic sent_;
};

}  // namespace swarm::transport
