#include "tensors/model/random.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cmath>

namespace swarm::tensors {

namespace {

constexpr double initial_deviation = 0.02;
constexpr double two_pi = 6.283185307179586476925286766559;

bool ends_with(const std::string& text, const std::string& suffix) {
  return text.size() >= suffix.size() &&
         text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

}  // namespace

void counter_random::normal(float* out, size_t count, double deviation) const {
  for (size_t pair = 0; 2 * pair < count; ++pair) {
    // (0, 1] for the logarithm, [0, 1) for the angle.
    const double u = (static_cast<double>(bits(2 * pair) >> 11) + 1.0) * 0x1p-53;
    const double v = static_cast<double>(bits(2 * pair + 1) >> 11) * 0x1p-53;
    const double radius = deviation * std::sqrt(-2.0 * std::log(u));
    out[2 * pair] = static_cast<float>(radius * std::cos(two_pi * v));
    if (2 * pair + 1 < count) {
      out[2 * pair + 1] = static_cast<float>(radius * std::sin(two_pi * v));
    }
  }
}

void counter_random::dropout(float* out, size_t count, double probability) const {
  const auto keep = static_cast<float>(1.0 / (1.0 - probability));
  const auto threshold = static_cast<uint64_t>(probability * 0x1p53);
  for (size_t i = 0; i < count; ++i)
    out[i] = (bits(i) >> 11) < threshold ? 0.0f : keep;
}

uint64_t stream_key(uint64_t seed, const std::string& name) {
  return XXH3_64bits_withSeed(name.data(), name.size(), seed);
}

uint64_t stream_key(uint64_t seed, const std::vector<uint64_t>& numbers) {
  return XXH3_64bits_withSeed(numbers.data(), numbers.size() * sizeof(uint64_t), seed);
}

void fill_initial(const model_config& model, const std::vector<parameter_slot>& layout,
                  uint64_t seed, float* flat) {
  std::fill(flat, flat + flat_size(layout), 0.0f);
  const double residual = initial_deviation / std::sqrt(2.0 * static_cast<double>(model.layers));
  for (const auto& slot : layout) {
    float* values = flat + slot.offset;
    if (slot.shape.size() >= 2) {
      const bool scaled = ends_with(slot.name, ".c_proj.weight");
      counter_random(stream_key(seed, slot.name))
          .normal(values, slot.size, scaled ? residual : initial_deviation);
    } else if (ends_with(slot.name, ".weight")) {
      std::fill(values, values + slot.size, 1.0f);
    }
  }
}

}  // namespace swarm::tensors
