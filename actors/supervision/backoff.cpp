#include "actors/supervision/backoff.hpp"

#include <algorithm>
#include <cmath>

namespace swarm::supervision {

const char* complaint(const backoff_options& options) {
  if (options.min.count() < 0) return "The back-off's min is negative; use 0 or more.";
  if (options.max < options.min) return "The back-off's max is below its min; raise max.";
  if (options.max > std::chrono::hours{24 * 365})
    return "The back-off's max is over a year; lower it.";
  // Written so that a NaN is refused as well.
  if (!(options.factor >= 1.0) || std::isinf(options.factor))
    return "The back-off's factor must be a number of at least 1.";
  if (!(options.jitter >= 0.0 && options.jitter < 1.0))
    return "The back-off's jitter must be in [0, 1).";
  if (options.reset_after.count() < 0)
    return "The back-off's reset_after is negative; use 0 or more.";
  return nullptr;
}

std::chrono::nanoseconds backoff_delay(const backoff_options& options, std::uint32_t failures,
                                       std::mt19937_64& generator) {
  using std::chrono::nanoseconds;
  // By hand: the standard distributions differ between libraries, a schedule must not.
  const double unit = static_cast<double>(generator() >> 11) * 0x1.0p-53;
  const auto min = static_cast<double>(nanoseconds{options.min}.count());
  const auto max = static_cast<double>(nanoseconds{options.max}.count());
  // Zero times an overflowed power would not be a number.
  const double grown = min > 0 ? std::min(max, min * std::pow(options.factor, failures)) : 0.0;
  const double moved = grown * (1.0 + options.jitter * (2.0 * unit - 1.0));
  return nanoseconds{std::llround(std::clamp(moved, min, max))};
}

}  // namespace swarm::supervision
