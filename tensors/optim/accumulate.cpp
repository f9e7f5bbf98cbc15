#include "tensors/optim/accumulate.hpp"

#include <cmath>

#include "tensors/optim/vector_clones.hpp"

namespace swarm::tensors {

namespace {

/// Adding and subtracting 1.5 * 2^52 rounds a double below 2^51 to an integer, half to even. It
/// also leaves that integer in the low bits: a conversion every instruction set can vectorise.
constexpr double rounding_shift = 6755399441055744.0;

/// value * 2^40 as an integer. Below 2^11 the shift does it; above, float's 24 bits make the
/// product an integer already.
inline int64_t to_fixed(float value) {
  return static_cast<int64_t>(std::nearbyint(static_cast<double>(value) * fixed_point_scale));
}

constexpr float shift_limit = 1024.0f;

}  // namespace

SWARM_VECTOR_CLONES
bool within(const float* values, int64_t size, float limit) {
  // NaN fails the comparison, so it counts as outside.
  int outside = 0;
  for (int64_t i = 0; i < size; ++i)
    outside |= !(__builtin_fabsf(values[i]) <= limit);
  return outside == 0;
}

SWARM_VECTOR_CLONES
void assign(float* __restrict target, const float* __restrict values, int64_t size, float sign) {
  for (int64_t i = 0; i < size; ++i)
    target[i] = sign * values[i];
}

SWARM_VECTOR_CLONES
void accumulate(float* __restrict target, const float* __restrict values, int64_t size,
                float sign) {
  for (int64_t i = 0; i < size; ++i)
    target[i] += sign * values[i];
}

SWARM_VECTOR_CLONES
static void accumulate_small(int64_t* __restrict target, const float* __restrict values,
                             int64_t size, int sign) {
  const auto direction = static_cast<uint64_t>(static_cast<int64_t>(sign));
  int64_t shift_bits = 0;
  const double shift = rounding_shift;
  __builtin_memcpy(&shift_bits, &shift, sizeof shift_bits);
  for (int64_t i = 0; i < size; ++i) {
    const double shifted = static_cast<double>(values[i]) * fixed_point_scale + rounding_shift;
    int64_t bits = 0;
    __builtin_memcpy(&bits, &shifted, sizeof bits);
    const auto fixed = static_cast<uint64_t>(bits) - static_cast<uint64_t>(shift_bits);
    const uint64_t signed_fixed = direction == 1 ? fixed : 0 - fixed;
    target[i] = static_cast<int64_t>(static_cast<uint64_t>(target[i]) + signed_fixed);
  }
}

void accumulate_fixed(int64_t* target, const float* values, int64_t size, int sign) {
  if (within(values, size, shift_limit)) {
    accumulate_small(target, values, size, sign);
    return;
  }
  for (int64_t i = 0; i < size; ++i) {
    const auto fixed = static_cast<uint64_t>(to_fixed(values[i]));
    target[i] =
        static_cast<int64_t>(static_cast<uint64_t>(target[i]) + (sign > 0 ? fixed : 0 - fixed));
  }
}

SWARM_VECTOR_CLONES
void to_float(float* __restrict target, const int64_t* __restrict values, int64_t size) {
  // int64 -> double rounds above 2^53, then float rounds again; the result is the same everywhere,
  // which is what the reproducible mode needs.
  for (int64_t i = 0; i < size; ++i) {
    target[i] = static_cast<float>(static_cast<double>(values[i]) * (1.0 / fixed_point_scale));
  }
}

}  // namespace swarm::tensors
