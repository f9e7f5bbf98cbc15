#include "tensors/optim/adamw.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "tensors/optim/vector_clones.hpp"

namespace swarm::tensors {

namespace {

struct adamw_factors {
  float keep;  ///< 1 - learning rate * decay
  float scale;
  float beta1;
  float one_minus_beta1;
  float beta2;
  float one_minus_beta2;
  float root_correction2;
  float epsilon;
  float step_size;
};

SWARM_VECTOR_CLONES
void update(const adamw_factors& given, int64_t size, float* __restrict p,
            const float* __restrict g, float* __restrict m, float* __restrict v) {
  const adamw_factors f = given;
  for (int64_t i = 0; i < size; ++i) {
    const float gradient = g[i] * f.scale;
    const float first = m[i] * f.beta1 + gradient * f.one_minus_beta1;
    const float second = v[i] * f.beta2 + f.one_minus_beta2 * gradient * gradient;
    const float denominator = __builtin_sqrtf(second) / f.root_correction2 + f.epsilon;
    m[i] = first;
    v[i] = second;
    p[i] = p[i] * f.keep - f.step_size * first / denominator;
  }
}

/// Lanes wide enough for two AVX-512 registers of double; the order does not depend on the clone.
constexpr int64_t norm_lanes = 16;

SWARM_VECTOR_CLONES
double sum_of_squares(int64_t size, const float* values) {
  double lanes[norm_lanes] = {};
  int64_t i = 0;
  for (; i + norm_lanes <= size; i += norm_lanes) {
    for (int64_t lane = 0; lane < norm_lanes; ++lane) {
      const double value = values[i + lane];
      lanes[lane] += value * value;
    }
  }
  for (int64_t lane = 0; i < size; ++i, ++lane) {
    const double value = values[i];
    lanes[lane] += value * value;
  }
  for (int64_t width = norm_lanes / 2; width > 0; width /= 2) {
    for (int64_t lane = 0; lane < width; ++lane)
      lanes[lane] += lanes[lane + width];
  }
  return lanes[0];
}

}  // namespace

void adamw_step(const optimizer_config& config, const std::vector<parameter_slot>& layout,
                int64_t step, double scale, float* parameters, const float* gradient, float* first,
                float* second) {
  assert(step >= 0);
  const double rate = learning_rate(config, step);
  const auto count = static_cast<double>(step + 1);
  const double correction1 = 1.0 - std::pow(config.beta1, count);
  const double correction2 = 1.0 - std::pow(config.beta2, count);
  adamw_factors factors{};
  factors.scale = static_cast<float>(scale);
  factors.beta1 = static_cast<float>(config.beta1);
  factors.one_minus_beta1 = static_cast<float>(1.0 - config.beta1);
  factors.beta2 = static_cast<float>(config.beta2);
  factors.one_minus_beta2 = static_cast<float>(1.0 - config.beta2);
  factors.root_correction2 = static_cast<float>(std::sqrt(correction2));
  factors.epsilon = static_cast<float>(config.epsilon);
  factors.step_size = static_cast<float>(rate / correction1);
  for (const auto& slot : layout) {
    factors.keep = static_cast<float>(slot.decays ? 1.0 - rate * config.weight_decay : 1.0);
    update(factors, slot.size, parameters + slot.offset, gradient + slot.offset,
           first + slot.offset, second + slot.offset);
  }
}

std::vector<parameter_slot> clipped(const std::vector<parameter_slot>& layout, int64_t first,
                                    int64_t count) {
  const auto ends_after = [](int64_t element, const parameter_slot& slot) {
    return element < slot.offset + slot.size;
  };
  std::vector<parameter_slot> result;
  for (auto slot = std::upper_bound(layout.begin(), layout.end(), first, ends_after);
       slot != layout.end() && slot->offset < first + count; ++slot) {
    const auto begin = std::max(slot->offset, first);
    const auto end = std::min(slot->offset + slot->size, first + count);
    if (begin >= end) continue;
    parameter_slot part;
    part.offset = begin;
    part.size = end - begin;
    part.decays = slot->decays;
    result.push_back(std::move(part));
  }
  return result;
}

double squared_norm(const std::vector<parameter_slot>& layout, const float* gradient,
                    norm_rounding rounding) {
  double total = 0;
  for (const auto& slot : layout) {
    const double sum = sum_of_squares(slot.size, gradient + slot.offset);
    total += rounding == norm_rounding::grid ? std::nearbyint(sum * 0x1p40) * 0x1p-40 : sum;
  }
  return total;
}

}  // namespace swarm::tensors
