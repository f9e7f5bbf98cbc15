#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "actors/ids.hpp"

namespace swarm::training {

/// When a run makes copies of its stages' states, and which step must not begin before they are in
/// backup of other stages. One version is copied at a time, so late that its copies arrive just
/// before a step would have to wait for them if they take as long as the last ones did. As long as
/// they do arrive, a lost stage costs at most `every` steps.
class copies {
 public:
  struct limits {
    int64_t every = 0;  ///< steps at most between a version and the last copies; 0: no copies
    double wait_s = 2;
    double patience_s = 60;  ///< at least; and until the next copies would be due
  };
  enum class verdict : uint8_t { none, late, given_up };

  explicit copies(limits l) : limits_(l) {}

  /// A leader begins, or the run goes back: `version` counts as safe. `copied`: copies of it are
  /// there or are being made (a run's first version is, and one to which it went back). If not, the
  /// next one is copied.
  void begin(step_id version, bool copied) {
    safe_ = version;
    due_ = copied ? step_id{version.value() + pause()} : version.next();
    pending_.reset();
    waits_since_.reset();
    in_time_ = true;
  }

  /// The commit that makes `version` has copies made if true.
  bool make(step_id version, double now_s) {
    if (limits_.every == 0 || pending_ || version < due_) return false;
    pending_ = version;
    made_s_ = now_s;
    return true;
  }

  /// The version whose copies are on their way.
  std::optional<step_id> pending() const { return pending_; }

  /// They are backed up; the run stands at `version`.
  void arrived(step_id version) {
    safe_ = *pending_;
    in_time_ = true;
    settle(version);
  }

  /// Whether the step after `version` has to wait.
  bool hold(step_id version, double now_s) {
    if (!pending_ || !in_time_ || version.next().value() - safe_.value() <= limits_.every) {
      waits_since_.reset();
      return false;
    }
    if (!waits_since_) waits_since_ = now_s;
    return true;
  }

  /// `late`: nobody waits any longer, until copies arrive. `given_up`: others may be made.
  verdict check(double now_s, step_id version) {
    if (!pending_) return verdict::none;
    // Large ones take many steps to arrive.
    const bool next_are_due = version.value() - pending_->value() >= limits_.every;
    if (now_s - made_s_ > limits_.patience_s && next_are_due) {
      in_time_ = false;
      settle(*pending_);
      return verdict::given_up;
    }
    if (!waits_since_ || now_s - *waits_since_ < limits_.wait_s) return verdict::none;
    waits_since_.reset();
    in_time_ = false;
    return verdict::late;
  }

 private:
  void settle(step_id version) {
    taken_ = std::max<int64_t>(1, version.value() - pending_->value());
    due_ = step_id{pending_->value() + pause()};
    pending_.reset();
    waits_since_.reset();
  }

  /// Steps from one copy to the next.
  int64_t pause() const {
    const auto soonest = std::max<int64_t>(1, limits_.every / 2);
    return taken_ ? std::max(soonest, limits_.every - 1 - *taken_) : soonest;
  }

  limits limits_;
  std::optional<int64_t> taken_;  ///< steps that the last copies took
  step_id safe_{0};
  step_id due_{0};
  std::optional<step_id> pending_;
  std::optional<double> waits_since_;
  double made_s_ = 0;
  bool in_time_ = true;  ///< a run without backups does not wait in vain again and again
};

}  // namespace swarm::training
