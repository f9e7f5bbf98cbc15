#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace swarm::training {

/// Which microbatches a worker holds, as schemas::Holding has it: bit i of byte i/8.
using held_bitmap = std::vector<uint8_t>;

inline bool holds(const held_bitmap& held, int64_t microbatch) {
  const auto byte = static_cast<size_t>(microbatch / 8);
  return byte < held.size() && (held[byte] >> (microbatch % 8) & 1) != 0;
}

}  // namespace swarm::training
