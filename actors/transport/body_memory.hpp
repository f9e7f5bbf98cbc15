#pragma once

#include <capnp/common.h>
#include <kj/array.h>

#include <cstddef>

namespace swarm::transport {

/// Memory of bodies that nobody uses any more, kept for the next ones, per process.
inline constexpr size_t spare_bytes_max = size_t{64} << 20;
/// Smaller bodies come from the heap.
inline constexpr size_t spare_body_bytes_min = size_t{256} << 10;

/// Not zeroed. A fresh large block costs a page fault per 4 KiB, more than reading its bytes from
/// a socket, so blocks are used again.
kj::Array<capnp::word> allocate_body(size_t words);

}  // namespace swarm::transport
