#pragma once

#include <cstddef>
#include <cstdint>

/// Limits of the protocol (schemas/) that more than one room goes by.
namespace swarm {

/// A step has no more microbatches; a request for another is malformed.
inline constexpr int64_t microbatches_max = int64_t{1} << 20;
/// Bits of a lease's mask of stages, and of an inventory's.
inline constexpr int32_t stages_max = 64;
/// Members of a stage's all-reduce, followers included.
inline constexpr size_t group_members_max = 512;
/// Items of an inventory; the rest is left out.
inline constexpr size_t inventory_items_max = 64;

}  // namespace swarm
