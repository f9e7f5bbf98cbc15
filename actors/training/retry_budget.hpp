#pragma once

#include <algorithm>

namespace swarm::training {

/// How many calls a trainer may make again: a share of those that succeed. No actors, no clock.
///
/// What times out may still be worked on, and is then done twice. A limit per call does not help
/// when all of a stage's calls time out: each is made again, which is what keeps the stage
/// overloaded. A share of all calls bounds what is done twice, whatever happens. Calls that a death
/// has ended cost nothing: nobody works on them any more.
class retry_budget {
 public:
  static constexpr double share = 0.2;

  /// `most`: for a burst, such as a worker that hangs with calls of ours.
  explicit retry_budget(double most) : most_(std::max(1.0, most)), left_(most_) {}

  void succeeded() { left_ = std::min(most_, left_ + share); }

  /// Whether one more call may be made again at once.
  bool take() {
    if (left_ < 1) return false;
    left_ -= 1;
    return true;
  }

 private:
  double most_;
  double left_;
};

}  // namespace swarm::training
