#include "actors/stage/state_transfer.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace swarm::stage {

using tensors::host_tensor;

namespace {

constexpr uint64_t rows = 3;

}  // namespace

uint64_t state_checksum(const void* bytes, size_t count) {
  return XXH3_64bits(bytes, count);
}

uint64_t shard_elements_of(uint64_t chunk_bytes) {
  const auto elements = chunk_bytes / element_state_bytes / 2 * 2;
  return std::clamp<uint64_t>(elements, 2, shard_elements_max);
}

std::optional<host_tensor> shard_of(const host_tensor& state, uint64_t first, uint64_t count) {
  if (state.shape().size() != 2 || state.type() != tensors::dtype::f32 || state.is_virtual())
    return std::nullopt;
  const auto elements = static_cast<uint64_t>(state.shape()[1]);
  if (first >= elements || count == 0) return std::nullopt;
  count = std::min(count, elements - first);
  if (count == elements) return state;
  void* bytes = nullptr;
  auto shard =
      host_tensor::allocate(tensors::dtype::f32, {rows, static_cast<int64_t>(count)}, &bytes);
  for (uint64_t row = 0; row < rows; ++row)
    std::memcpy(static_cast<float*>(bytes) + row * count,
                state.as<float>() + row * elements + first, count * sizeof(float));
  return shard;
}

void put_shard(void* to, uint64_t elements, const shard_range& range, const void* shard) {
  for (uint64_t row = 0; row < rows; ++row)
    std::memcpy(static_cast<float*>(to) + row * elements + range.first,
                static_cast<const float*>(shard) + row * range.count, range.count * sizeof(float));
}

}  // namespace swarm::stage
