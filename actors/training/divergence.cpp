#include "actors/training/divergence.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

namespace swarm::training {

namespace {

constexpr size_t window = 16;
constexpr double loss_factor = 2;
constexpr double loss_margin = 1;
constexpr double far_factor = 10;
constexpr double norm_factor = 1000;
constexpr double norm_least = 1;

constexpr int broken_points = 34;
constexpr int far_points = 10;
constexpr int bad_points = 1;

std::string text(double value) {
  char digits[32];
  std::snprintf(digits, sizeof(digits), "%.4g", value);
  return digits;
}

/// Their mean, once there are enough.
std::optional<double> mean_with(std::deque<double>& values, double next) {
  values.push_back(next);
  if (values.size() > window) values.pop_front();
  if (values.size() < window) return std::nullopt;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(window);
}

}  // namespace

divergence::divergence(double uniform_loss) {
  if (uniform_loss > 0) lowest_ = uniform_loss;
}

std::optional<double> divergence::loss_bound() const {
  if (!lowest_) return std::nullopt;
  return loss_factor * *lowest_ + loss_margin;
}

std::optional<double> divergence::norm_bound() const {
  if (!highest_norm_) return std::nullopt;
  return norm_factor * std::max(*highest_norm_, norm_least);
}

bool divergence::observe(const observation& o) {
  if (diverged()) return true;
  const int points = points_of(o);
  if (points == 0) {
    ordinary(o);
    return false;
  }
  losses_.clear();
  norms_.clear();
  if (!first_bad_) first_bad_ = o.step;
  points_ = std::min(points_max, points_ + points);
  ++bad_steps_;
  return diverged();
}

bool divergence::observe_broken(step_id step) {
  observation o;
  o.step = step;
  o.counted = 0;
  return observe(o);
}

/// Zero for an ordinary step; else `seen_` says what is wrong with it.
int divergence::points_of(const observation& o) {
  if (o.counted <= 0) {
    seen_ = "the loss or the gradient of every microbatch is not finite";
    return broken_points;
  }
  if (o.loss && !std::isfinite(*o.loss)) {
    seen_ = "the loss is not finite";
    return broken_points;
  }
  if (!std::isfinite(o.gradient_norm)) {
    seen_ = "the gradient is not finite";
    return broken_points;
  }
  if (2 * o.counted < o.microbatches) {
    seen_ = "the loss or the gradient of most microbatches is not finite";
    return far_points;
  }
  const auto bound = loss_bound();
  if (o.loss && bound && *o.loss > *bound) {
    seen_ = "the loss is " + text(*o.loss) + ", more than " + text(*bound) + ", and was " +
            text(*lowest_);
    return *o.loss > far_factor * *bound ? far_points : bad_points;
  }
  const auto norm = norm_bound();
  if (norm && o.gradient_norm > *norm) {
    seen_ = "the gradient's norm is " + text(o.gradient_norm) + ", more than " + text(*norm) +
            ", and was " + text(*highest_norm_);
    return bad_points;
  }
  return 0;
}

void divergence::ordinary(const observation& o) {
  points_ = 0;
  bad_steps_ = 0;
  first_bad_.reset();
  if (o.loss) {
    if (const auto mean = mean_with(losses_, *o.loss))
      lowest_ = lowest_ ? std::min(*lowest_, *mean) : *mean;
  }
  if (const auto mean = mean_with(norms_, o.gradient_norm))
    highest_norm_ = highest_norm_ ? std::max(*highest_norm_, *mean) : *mean;
}

std::string divergence::sentence() const {
  const auto first = first_bad_ ? first_bad_->value() : 0;
  std::string result = "diverged at step " + std::to_string(first) + ": " + seen_;
  if (bad_steps_ > 1) result += ", after " + std::to_string(bad_steps_) + " such steps";
  result += first > 0 ? "; step " + std::to_string(first - 1) + " was the last good one"
                      : "; no step was good";
  return result + ": " + divergence_advice;
}

}  // namespace swarm::training
