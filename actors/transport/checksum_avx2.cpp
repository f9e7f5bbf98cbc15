#include "actors/transport/checksum_avx2.hpp"

// This file alone is compiled for AVX2. It includes nothing whose functions the linker could share
// with files that run anywhere.
#ifdef __AVX2__
#define XXH_INLINE_ALL
#include <xxhash.h>
#endif

namespace swarm::transport {

#ifdef __AVX2__

namespace {

void add(void* state, const uint8_t* bytes, size_t size) {
  XXH3_64bits_update(static_cast<XXH3_state_t*>(state), bytes, size);
}

}  // namespace

void (*add_with_avx2())(void*, const uint8_t*, size_t) {
  return __builtin_cpu_supports("avx2") ? add : nullptr;
}

#else

void (*add_with_avx2())(void*, const uint8_t*, size_t) {
  return nullptr;
}

#endif

}  // namespace swarm::transport
