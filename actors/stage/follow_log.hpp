#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <utility>

#include "actors/planted_bug.hpp"
#include "actors/stage/step_guard.hpp"
#include "tensors/codec/host_tensor.hpp"

namespace swarm::stage {

/// Steps a joiner follows while its download lasts; each keeps one gradient sum in memory.
inline constexpr size_t followed_steps_max = 64;

/// What a joiner hears of the steps after the one whose state it downloads: their sums, and by
/// which scale they were committed. Applied in order once the download is complete.
class follow_log {
 public:
  struct entry {
    reduced_sum sum;
    tensors::host_tensor total;
    std::optional<double> scale;  ///< once it is committed
    uint32_t counted = 0;
  };

  void clear() { steps_.clear(); }
  bool full() const { return steps_.size() >= followed_steps_max; }
  size_t size() const { return steps_.size(); }

  /// What a state of this version has in it already.
  void forget_before(step_id version) { steps_.erase(steps_.begin(), steps_.lower_bound(version)); }

  /// A later attempt of the same step replaces an earlier one.
  void reduced(step_id step, reduced_sum sum, tensors::host_tensor total) {
    steps_[step] = {std::move(sum), std::move(total), std::nullopt, 0};
  }

  /// Precondition: this sum of the step is here.
  void committed(step_id step, double scale, uint32_t counted) {
    steps_.at(step).scale = scale;
    steps_.at(step).counted = counted;
  }

  /// The step to apply to a state of this version, if it has been committed.
  std::optional<entry> take_committed(step_id version) {
    const auto found = steps_.find(version);
    if (found == steps_.end() || !found->second.scale) return std::nullopt;
    entry result = std::move(found->second);
    steps_.erase(found);
    return result;
  }

  /// The sum of a step that is not committed yet.
  const entry* open(step_id version) const {
    const auto found = steps_.find(version);
    return found == steps_.end() ? nullptr : &found->second;
  }

 private:
  std::map<step_id, entry> steps_;
};

}  // namespace swarm::stage
