#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>

#include "actors/ids.hpp"

namespace swarm::training {

/// How long a trainer waits for a call to one stage, from how long the stage's answers take: the
/// mean and the mean deviation of the time per unit of work, as TCP does it (RFC 6298; Jacobson
/// 1988). No actors, no clock.
///
/// A stage that has become slower than the limit answers nobody in time, so there would be nothing
/// to measure: time-outs double the limit until an answer comes, the first `quick_doublings` each,
/// then every fourth, since an answer that was lost is waited for as long. Of calls that were out
/// together one counts.
///
/// A worker that is known to be slower than its stage has longer. That is known from its answers
/// only: a limit from what was waited for in vain is a multiple of itself, and after a cut of
/// seconds it is one of many minutes.
class call_clock {
 public:
  struct options {
    double first_s = 30;    ///< until the stage has answered once
    double shortest_s = 2;  ///< a worker may be at an optimizer step
  };

  explicit call_clock(const options& given) : options_(given) {}

  void answered(worker_id worker, double seconds, double work) {
    const double sample = seconds / work;
    if (!(sample >= 0) || !std::isfinite(sample)) return;
    if (measured_) {
      deviation_ += (std::abs(sample - mean_) - deviation_) / 4;
      mean_ += (sample - mean_) / 8;
    } else {
      measured_ = true;
      mean_ = sample;
      deviation_ = sample / 2;
    }
    const auto [own, is_first] = own_.emplace(worker, sample);
    if (!is_first) own->second += (sample - own->second) / 8;
    timeouts_ = 0;
  }

  /// It is gone.
  void forget(worker_id worker) { own_.erase(worker); }

  void timed_out(double sent_s, double now_s) {
    if (sent_s < doubled_s_) return;
    doubled_s_ = now_s;
    ++timeouts_;
  }

  /// For a call of so much work.
  double limit_s(worker_id worker, double work) const {
    const double usual_s = measured_ ? margin * (mean_ + 4 * deviation_) * work : options_.first_s;
    const auto own = own_.find(worker);
    const double own_s = own == own_.end() ? 0 : 2 * margin * own->second * work;
    return std::max({usual_s, own_s, options_.shortest_s}) * std::exp2(doublings());
  }

 private:
  static constexpr double margin = 2;
  static constexpr int quick_doublings = 4;
  static constexpr int doublings_max = 10;

  int doublings() const {
    const int slow = std::max(0, timeouts_ - quick_doublings) / 4;
    return std::min(std::min(timeouts_, quick_doublings) + slow, doublings_max);
  }

  options options_;
  bool measured_ = false;
  double mean_ = 0;  ///< seconds per unit of work
  double deviation_ = 0;
  std::map<worker_id, double> own_;  ///< mean seconds per unit of work, by who answered
  int timeouts_ = 0;                 ///< since the last answer
  double doubled_s_ = -1;
};

}  // namespace swarm::training
