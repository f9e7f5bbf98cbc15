#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "actors/ids.hpp"

namespace swarm::training {

/// No stage may be so many steps behind on its disks before it is said.
inline constexpr int64_t disks_behind_max = 8;

/// What the workers of all stages say they have on their disks: the newest version that a run finds
/// after the loss of all its machines. Without actors.
///
///     every stage keeps --a stage is disks_behind_max steps behind--> withdrawn
///     withdrawn --no stage is more than a step behind--> kept again
///
/// A run of which some stage keeps nothing has promised nothing.
class disks {
 public:
  enum class verdict : uint8_t { none, withdrawn, regained };

  explicit disks(int32_t stages) : stages_(stages) {}

  /// A worker of the stage has made `version`, and `kept` is the newest on its disk; -1: none.
  void told(stage_id stage, int64_t kept, step_id version) {
    // A later one is of a history that was given up.
    if (kept < 0 || version < step_id{kept}) return;
    auto& newest = newest_.emplace(stage, step_id{kept}).first->second;
    newest = std::max(newest, step_id{kept});
  }

  /// The newest that every stage has.
  std::optional<step_id> everywhere() const {
    if (newest_.size() != static_cast<size_t>(stages_)) return std::nullopt;
    return newest_.at(last());
  }

  /// The stage whose newest is the oldest. Precondition: every stage keeps.
  stage_id last() const {
    return std::min_element(newest_.begin(), newest_.end(),
                            [](const auto& a, const auto& b) { return a.second < b.second; })
        ->first;
  }

  /// The run goes back: what came after is not of its history.
  void back_to(step_id version) {
    for (auto& [stage, newest] : newest_)
      newest = std::min(newest, version);
  }

  /// The run stands at `version`.
  verdict check(step_id version) {
    const auto common = everywhere();
    if (!common) return verdict::none;
    const auto behind = version.value() - common->value();
    if (!withdrawn_ && behind >= disks_behind_max) {
      withdrawn_ = true;
      return verdict::withdrawn;
    }
    if (withdrawn_ && behind <= 1) {
      withdrawn_ = false;
      return verdict::regained;
    }
    return verdict::none;
  }

  /// Of the last verdict.
  std::string sentence() const {
    const auto step = std::to_string(everywhere().value_or(step_id{0}).value());
    if (!withdrawn_) return "every stage is on a disk again, at step " + step;
    return "nobody of stage " + std::to_string(last().value()) +
           " can write to the disk: if all machines are lost now, the run goes back to step " +
           step;
  }

 private:
  int32_t stages_;
  bool withdrawn_ = false;
  std::map<stage_id, step_id> newest_;
};

}  // namespace swarm::training
