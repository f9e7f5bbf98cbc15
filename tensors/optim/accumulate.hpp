#pragma once

#include <cstdint>

namespace swarm::tensors {

/// Fixed-point gradients: multiples of 2^-40 in 64 bits, added modulo 2^64, so that a sum depends
/// neither on order nor on grouping, and taking away what was added restores the bits.
inline constexpr double fixed_point_scale = 0x1p40;

/// A sum may reach this magnitude (2^22 of 2^23 representable). Whoever adds N numbers keeps each
/// within a N-th of it.
inline constexpr float fixed_point_sum_limit = 0x1p22f;

/// Every value is finite and at most `limit` in magnitude.
bool within(const float* values, int64_t size, float limit);

/// Largest finite float: `within` this is finiteness.
inline constexpr float finite_limit = 3.402823466e+38f;

/// target = sign * values: the first addition to a sum.
void assign(float* target, const float* values, int64_t size, float sign);

/// target += sign * values, sign is +1 or -1.
void accumulate(float* target, const float* values, int64_t size, float sign);

/// target += sign * round(values * 2^40), half to even. Precondition: within a limit.
void accumulate_fixed(int64_t* target, const float* values, int64_t size, int sign);

/// target = values * 2^-40, rounded to nearest (by way of double).
void to_float(float* target, const int64_t* values, int64_t size);

}  // namespace swarm::tensors
