#pragma once

#include <cmath>

namespace swarm::wiring {

/// Exponential moving average with bias correction: after n samples the raw average is divided by
/// 1 - (1 - alpha)^n, so that the first sample counts in full.
class seconds_estimate {
 public:
  bool measured() const { return weight_ > 0; }
  /// Undefined before the first sample.
  double value() const { return average_ / weight_; }
  double value_or(double prior) const { return measured() ? value() : prior; }

  void observe(double seconds_per_unit, double alpha) {
    average_ += alpha * (seconds_per_unit - average_);
    weight_ += alpha * (1 - weight_);
  }

 private:
  double average_ = 0;
  double weight_ = 0;
};

/// Seconds per unit of one call; negative when the numbers make no sense.
inline double sample_of(double seconds, double work) {
  const double sample = seconds / work;
  return std::isfinite(sample) && seconds >= 0 && work > 0 ? sample : -1.0;
}

/// A charge must be positive and finite, or one bad call would unhinge the shares for good.
inline double sane_work(double work) {
  return std::isfinite(work) && work > 0 ? work : 1.0;
}

}  // namespace swarm::wiring
