#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "actors/transport/moment.hpp"

namespace swarm::transport {

/// Bulk bytes that may always be on their way.
inline constexpr size_t window_bytes_min = size_t{256} << 10;
inline constexpr size_t window_bytes_start = size_t{512} << 10;
/// The shortest round trip is measured afresh so often, with so small a window that no queue is
/// left.
inline constexpr std::chrono::seconds base_lifetime{10};
inline constexpr size_t window_bytes_drained = size_t{32} << 10;
/// Writes whose way is timed at once; beyond it they are timed together.
inline constexpr size_t window_marks_max = 1024;

/// How many bulk bytes may be on their way: as many as the link carries in its shortest round trip
/// and the time for which they may queue. Delay-based, as in TCP Vegas (Brakmo, Peterson 1995) and
/// LEDBAT (RFC 6817): every other round trip the window is set in proportion to what the delay
/// should be and what it was, so that a link's queue stays short whoever fills it. The round trip
/// between them is that of bytes that knew the old window.
class window {
 public:
  window(size_t bytes_max, std::chrono::nanoseconds queueing_target);

  /// Bytes that may be sent now.
  size_t room() const { return size_ > in_flight() ? size_ - in_flight() : 0; }
  size_t size() const { return size_; }
  size_t in_flight() const { return static_cast<size_t>(sent_ - credited_); }

  void sent(size_t bytes, moment now);

  /// There was more to send than `room`.
  void was_short() { short_ = true; }

  /// The far side has read so many bytes since the beginning. False: more than were sent.
  bool credited(uint64_t total, moment now);

  /// The shortest and the latest round trip of a bulk packet.
  std::chrono::nanoseconds base() const { return base_.value_or(moment::zero()); }
  std::chrono::nanoseconds latest() const { return latest_; }

 private:
  struct mark {
    uint64_t sent;
    moment at;
  };

  void finish_round(moment now);
  void adapt(std::chrono::nanoseconds trip);

  const size_t bytes_max_;
  const std::chrono::nanoseconds target_;
  size_t size_;
  uint64_t sent_ = 0;
  uint64_t credited_ = 0;
  std::deque<mark> marks_;

  uint64_t round_end_ = 0;
  moment round_start_{};
  bool settling_ = false;  ///< this round's bytes left before the window was set
  std::optional<std::chrono::nanoseconds> round_trip_;  ///< the shortest of this round
  bool short_ = false;
  bool starting_ = true;  ///< the queue was never too long

  std::optional<std::chrono::nanoseconds> base_;
  moment base_seen_{};
  std::chrono::nanoseconds latest_{};
  size_t resume_size_ = 0;  ///< not 0: the queue is being drained
};

}  // namespace swarm::transport
