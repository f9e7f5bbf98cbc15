#pragma once

#include <xxhash.h>

#include <cstddef>
#include <cstdint>

namespace swarm::averaging {

/// XXH3-128.
struct result_hash {
  uint64_t high = 0;
  uint64_t low = 0;

  friend bool operator==(const result_hash& a, const result_hash& b) {
    return a.high == b.high && a.low == b.low;
  }
  friend bool operator!=(const result_hash& a, const result_hash& b) { return !(a == b); }
};

inline result_hash hash_of(const void* data, size_t bytes) {
  const auto value = XXH3_128bits(data, bytes);
  return {value.high64, value.low64};
}

}  // namespace swarm::averaging
