#pragma once

#include <chrono>
#include <cstdint>
#include <random>

namespace swarm::supervision {

/// Exponential back-off: the n-th failure in a row (from 0) waits min * factor^n, at most max, then
/// moved by up to +-jitter of itself and kept within [min, max].
struct backoff_options {
  std::chrono::milliseconds min{100};
  std::chrono::milliseconds max{10'000};
  double factor = 2.0;  ///< at least 1
  double jitter = 0.2;  ///< in [0, 1)
  /// A child that stayed up this long has recovered: its failures are counted from 0 again.
  std::chrono::milliseconds reset_after{30'000};
};

/// A sentence about what is wrong with the options; null when they are fine.
const char* complaint(const backoff_options& options);

/// Draws exactly one number from the generator, whatever the options, so that a change of options
/// does not shift the draws of everything after it.
std::chrono::nanoseconds backoff_delay(const backoff_options& options, std::uint32_t failures,
                                       std::mt19937_64& generator);

}  // namespace swarm::supervision
