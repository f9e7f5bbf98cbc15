#pragma once

#include <cstdint>
#include <optional>

#include "actors/stage/download.hpp"
#include "tensors/codec/host_tensor.hpp"

namespace swarm::stage {

/// Bytes of one StateChunk, unless an option says otherwise: 256 Ki elements.
inline constexpr uint64_t state_chunk_bytes_max = uint64_t{3} << 20;
/// Elements that a donor hands out at once.
inline constexpr uint64_t shard_elements_max = uint64_t{1} << 20;
/// A receiver refuses a larger state: nothing that a peer says makes it allocate more.
inline constexpr uint64_t state_bytes_max = uint64_t{1} << 38;
/// Bytes that a receiver has asked for and is not done with, all donors together.
inline constexpr uint64_t download_window_bytes_max = uint64_t{64} << 20;

/// XXH3-64.
uint64_t state_checksum(const void* bytes, size_t count);

/// Elements of a shard of so many bytes: even, so that what is two elements wide stays whole.
uint64_t shard_elements_of(uint64_t chunk_bytes);

/// So many elements from `first` on of a whole state, f32 [3, n], as f32 [3, count]: a copy, or
/// the state itself when it is asked for as a whole. Shorter at the end; nothing past it.
std::optional<tensors::host_tensor> shard_of(const tensors::host_tensor& state, uint64_t first,
                                             uint64_t count);

/// The reverse: `rows` are the bytes of a whole state of `elements`.
void put_shard(void* rows, uint64_t elements, const shard_range& range, const void* shard);

}  // namespace swarm::stage
