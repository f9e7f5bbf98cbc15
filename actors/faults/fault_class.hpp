#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace swarm::faults {

/// Everything that this room can make go wrong, for counting and for plans.
enum class fault_class : uint8_t {
  // A message.
  loss,
  duplication,
  delay,
  reordering,
  corruption,
  truncation,
  hold,   ///< kept until a thaw
  block,  ///< lost on a path that is down
  // A call.
  failed_before,
  failed_during,
  lost_reply,
  changed_reply,
  // A device.
  not_finite,
  wrong_shape,
  out_of_memory,
  stall,
  slow,
  // A peer.
  kill,
  restart_with_state,
  restart_without_state,
  freeze,
  leave,
  mass_leave,
  stage_loss,
  // A path.
  partition,
  one_way_partition,
  flapping_partition,
  half_open,
  clogged_path
};

inline constexpr size_t fault_classes = static_cast<size_t>(fault_class::clogged_path) + 1;

const char* to_string(fault_class what);

/// How often each class was injected. Thread-safe.
class fault_counts {
 public:
  void add(fault_class what, uint64_t times = 1) {
    counts_[static_cast<size_t>(what)].fetch_add(times, std::memory_order_relaxed);
  }
  uint64_t of(fault_class what) const {
    return counts_[static_cast<size_t>(what)].load(std::memory_order_relaxed);
  }
  uint64_t total() const;

 private:
  std::array<std::atomic<uint64_t>, fault_classes> counts_{};
};

}  // namespace swarm::faults
