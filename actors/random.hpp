#pragma once

#include <cstddef>
#include <cstdint>

namespace swarm {

/// SplitMix64's finalizer: every bit of the result depends on every bit of `z`.
constexpr uint64_t mixed_bits(uint64_t z) noexcept {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same sequence on every standard library, which
/// std::uniform_*_distribution does not promise.
class splitmix64 {
 public:
  explicit splitmix64(uint64_t seed) : state_(seed) {}

  uint64_t next() { return mixed_bits(state_ += 0x9e3779b97f4a7c15ULL); }
  /// In [0, 1).
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  /// In [0, bound), bound > 0.
  size_t below(size_t bound) {
    const auto value = static_cast<size_t>(unit() * static_cast<double>(bound));
    return value < bound ? value : bound - 1;
  }

 private:
  uint64_t state_;
};

}  // namespace swarm
