#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "actors/call_work.hpp"

namespace swarm::stage {

/// How much a worker could do if it were never idle: work done per time with something to do.
/// Without actors or clock, in units of actors/call_work.hpp. Older measurements count less and
/// less.
///
/// What it does not know well it does not tell, since peers move for differences between rates:
/// - the first two steps do not count. Memory is touched and kernels are tuned for the first time
///   in them, and not at all stages alike;
/// - time is measured in blocks, each of at least one microbatch and one second, and the rate is
///   known when the blocks' mean is: eight of them, with a standard error of a tenth.
class rate_meter {
 public:
  static constexpr uint32_t warm_up_steps = 2;
  static constexpr double block_min_s = 1;
  static constexpr double blocks_min = 8;
  /// Of a mean: older blocks fade so that it never counts for more.
  static constexpr double blocks_max = 64;
  static constexpr double standard_error_max = 0.1;

  /// A request has come.
  void begin(double now_s) {
    if (++under_way_ == 1) busy_since_s_ = now_s;
  }

  /// One has been answered; a failed one did no work.
  void end(double now_s, double work) {
    if (under_way_ == 0) return;
    block_s_ += std::max(0.0, now_s - busy_since_s_);
    block_work_ += std::max(0.0, work);
    busy_since_s_ = now_s;
    --under_way_;
    if (block_s_ < block_min_s || block_work_ < microbatch_work) return;
    if (steps_ >= warm_up_steps) add(block_s_ / block_work_ * microbatch_work);
    block_s_ = block_work_ = 0;
  }

  /// The worker has made an optimizer step.
  void step_over() {
    if (steps_ < warm_up_steps && ++steps_ == warm_up_steps) block_s_ = block_work_ = 0;
  }

  /// Microbatches per second; 0: not known yet, or not any more.
  double rate() const {
    if (blocks_ < blocks_min || !(mean_s_ > 0)) return 0;
    const double error_s = std::sqrt(squares_ / blocks_ / blocks_);
    return error_s <= standard_error_max * mean_s_ ? 1 / mean_s_ : 0;
  }
  uint32_t queue() const { return under_way_; }

 private:
  /// Welford's mean and sum of squared deviations, with forgetting.
  void add(double seconds) {
    const double keep = std::min(1.0, (blocks_max - 1) / std::max(blocks_, 1.0));
    blocks_ = blocks_ * keep + 1;
    squares_ *= keep;
    const double off = seconds - mean_s_;
    mean_s_ += off / blocks_;
    squares_ += off * (seconds - mean_s_);
  }

  uint32_t steps_ = 0;  ///< made, up to the warm-up's
  uint32_t under_way_ = 0;
  double busy_since_s_ = 0;
  double block_s_ = 0;
  double block_work_ = 0;
  double blocks_ = 0;  ///< that count, faded ones for less
  double mean_s_ = 0;  ///< of one microbatch
  double squares_ = 0;
};

}  // namespace swarm::stage
