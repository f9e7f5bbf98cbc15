#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tensors/model/model_config.hpp"

namespace swarm::tensors {

/// A counter-based generator: number `i` of stream `key` depends on nothing else, so any slice can
/// be drawn by anybody in any order, and no LibTorch version matters. SplitMix64 over a Weyl
/// sequence (Steele, Lea & Flood 2014).
class counter_random {
 public:
  explicit counter_random(uint64_t key) : key_(key) {}

  /// 64 uniform bits.
  uint64_t bits(uint64_t index) const {
    uint64_t z = key_ + (index + 1) * 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }

  /// Normal numbers 0 .. count-1 of the stream (Box-Muller, in double), times `deviation`.
  void normal(float* out, size_t count, double deviation) const;

  /// Dropout's factors 0 .. count-1 of the stream: 1/(1-probability) or 0.
  void dropout(float* out, size_t count, double probability) const;

 private:
  uint64_t key_;
};

/// Key of the stream that belongs to a name or to a tuple of numbers under a seed.
uint64_t stream_key(uint64_t seed, const std::string& name);
uint64_t stream_key(uint64_t seed, const std::vector<uint64_t>& numbers);

/// GPT-2's initial values into a stage's flat vector: normal(0, 0.02), projections onto the
/// residual stream divided by sqrt(2 layers), biases 0, LayerNorm weights 1. Each parameter has a
/// stream of its own under (seed, name), so that a partition does not change it.
void fill_initial(const model_config& model, const std::vector<parameter_slot>& layout,
                  uint64_t seed, float* flat);

}  // namespace swarm::tensors
