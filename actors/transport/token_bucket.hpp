#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "actors/transport/moment.hpp"

namespace swarm::transport {

/// What a capped line saves up while it is quiet, in time.
inline constexpr std::chrono::milliseconds burst{20};
/// Pieces on a capped line are no smaller.
inline constexpr size_t capped_packet_bytes_min = size_t{4} << 10;

/// A cap on bytes per second. Control messages overdraw it for as much as two bursts, so that they
/// do not wait behind bulk that has just left; urgent packets without limit.
class token_bucket {
 public:
  /// 0: no cap.
  token_bucket(uint64_t bytes_per_s, moment now);

  bool capped() const { return bytes_per_s_ != 0; }
  /// To be asked after `advance`.
  bool bulk_may_go() const { return !capped() || tokens_ > 0; }
  bool control_may_go() const { return !capped() || tokens_ > -2 * capacity_; }
  /// What one bulk packet may hold, so that it does not take longer than a burst.
  size_t packet_bytes() const;

  void advance(moment now);
  void take(size_t bytes);
  /// The same, for bytes that were not asked: they overdraw no more than control messages may.
  void take_what_came(size_t bytes);
  /// When the lane that waits may go on, control's time if both do; nothing when neither waits.
  std::optional<moment> opens_at(bool control_waits, bool bulk_waits) const;

 private:
  const uint64_t bytes_per_s_;
  double capacity_ = 0;
  double tokens_ = 0;
  moment last_;
};

}  // namespace swarm::transport
