#pragma once

#include <map>
#include <optional>
#include <set>

#include "actors/ids.hpp"

namespace swarm::training {

/// Since when each stage has been without anybody who could go on. No actors; time comes in as
/// seconds. Each stage has its own time, which begins anew whenever the stage was seen ready: two
/// stages that are back soon, one after the other, are no stage that is lost.
class stuck_clock {
 public:
  explicit stuck_clock(double patience_seconds) : patience_seconds_(patience_seconds) {}

  /// All stages that are not `unready` now are ready.
  void observe(const std::set<stage_id>& unready, double now_seconds) {
    for (auto it = since_.begin(); it != since_.end();)
      it = unready.count(it->first) == 0 ? since_.erase(it) : std::next(it);
    for (const auto& stage : unready)
      since_.emplace(stage, now_seconds);
  }

  /// The stage that has been unready for longest, if that is long enough.
  std::optional<stage_id> due(double now_seconds) const {
    std::optional<stage_id> result;
    double earliest = now_seconds - patience_seconds_;
    for (const auto& [stage, since] : since_) {
      if (since > earliest || (result && since == earliest)) continue;
      result = stage;
      earliest = since;
    }
    return result;
  }

  /// The attempt to help it begins: should it come to nothing, the next one is due after the same
  /// time.
  void restart(double now_seconds) {
    for (auto& [stage, since] : since_)
      since = now_seconds;
  }
  void clear() { since_.clear(); }

 private:
  double patience_seconds_;
  std::map<stage_id, double> since_;
};

}  // namespace swarm::training
