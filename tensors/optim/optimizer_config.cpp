#include "tensors/optim/optimizer_config.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace swarm::tensors {

double learning_rate(const optimizer_config& config, int64_t step) {
  constexpr double pi = 3.14159265358979323846;
  assert(step >= 0);
  const auto it = static_cast<double>(step);
  const auto warmup = static_cast<double>(config.warmup_steps);
  const auto decay = static_cast<double>(config.decay_steps);
  if (it < warmup) return config.learning_rate * (it + 1) / (warmup + 1);
  if (it > decay) return config.learning_rate_min;
  const double span = decay - warmup;
  const double ratio = span > 0 ? (it - warmup) / span : 1.0;
  const double coefficient = 0.5 * (1.0 + std::cos(pi * ratio));
  return config.learning_rate_min + coefficient * (config.learning_rate - config.learning_rate_min);
}

double clip_factor(const optimizer_config& config, double squared_norm) {
  if (config.clip_norm <= 0) return 1.0;
  return std::min(1.0, config.clip_norm / (std::sqrt(squared_norm) + 1e-6));
}

}  // namespace swarm::tensors
