#pragma once

#include <cstdint>

namespace swarm::stage {

/// Work of one microbatch at one stage, in forwards: the forward itself, and a backward that costs
/// twice as much. The last stage does both in one request.
inline constexpr double microbatch_work = 3;

/// How much a worker could do if it were never idle: work done per time with something to do.
/// Without actors or clock. Older measurements count less and less (`memory_s` of busy time).
class rate_meter {
 public:
  static constexpr double memory_s = 60;

  /// A request has come.
  void begin(double now_s) {
    if (++under_way_ == 1) busy_since_s_ = now_s;
  }

  /// One has been answered; a failed one did no work.
  void end(double now_s, double work) {
    if (under_way_ == 0) return;
    const double passed_s = now_s - busy_since_s_;
    busy_since_s_ = now_s;
    --under_way_;
    busy_s_ += passed_s;
    work_ += work;
    if (busy_s_ <= memory_s) return;
    const double keep = memory_s / busy_s_;
    busy_s_ *= keep;
    work_ *= keep;
  }

  /// Microbatches per second; 0: not known yet.
  double rate() const {
    return busy_s_ > 0 && work_ >= microbatch_work ? work_ / microbatch_work / busy_s_ : 0;
  }
  uint32_t queue() const { return under_way_; }

 private:
  uint32_t under_way_ = 0;
  double busy_since_s_ = 0;
  double busy_s_ = 0;
  double work_ = 0;
};

}  // namespace swarm::stage
