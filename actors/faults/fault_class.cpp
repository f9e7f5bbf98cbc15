#include "actors/faults/fault_class.hpp"

namespace swarm::faults {

const char* to_string(fault_class what) {
  static constexpr std::array<const char*, fault_classes> names{"loss",
                                                                "duplication",
                                                                "delay",
                                                                "reordering",
                                                                "corruption",
                                                                "truncation",
                                                                "hold",
                                                                "block",
                                                                "failed_before",
                                                                "failed_during",
                                                                "lost_reply",
                                                                "changed_reply",
                                                                "not_finite",
                                                                "wrong_shape",
                                                                "out_of_memory",
                                                                "stall",
                                                                "slow",
                                                                "kill",
                                                                "restart_with_state",
                                                                "restart_without_state",
                                                                "freeze",
                                                                "leave",
                                                                "mass_leave",
                                                                "stage_loss",
                                                                "partition",
                                                                "one_way_partition",
                                                                "flapping_partition",
                                                                "half_open",
                                                                "clogged_path"};
  const auto index = static_cast<size_t>(what);
  return index < names.size() ? names[index] : "unknown";
}

uint64_t fault_counts::total() const {
  uint64_t sum = 0;
  for (const auto& count : counts_)
    sum += count.load(std::memory_order_relaxed);
  return sum;
}

}  // namespace swarm::faults
