#pragma once

#include <stddef.h>
#include <stdint.h>

namespace swarm::transport {

/// Adds bytes to an XXH3_state_t of this version of xxHash; null where the processor or the
/// compiler has no AVX2.
void (*add_with_avx2())(void* state, const uint8_t* bytes, size_t size);

}  // namespace swarm::transport
