#include "actors/transport/checksum.hpp"

// The layout of the state, to have it in place.
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "actors/transport/checksum_avx2.hpp"

namespace swarm::transport {

namespace {

XXH3_state_t* of(void* state) {
  return static_cast<XXH3_state_t*>(state);
}

void add_plain(void* state, const uint8_t* bytes, size_t size) {
  XXH3_64bits_update(of(state), bytes, size);
}

using add_function = void (*)(void* state, const uint8_t* bytes, size_t size);

add_function fastest() {
  const auto fast = add_with_avx2();
  return fast != nullptr ? fast : add_plain;
}

}  // namespace

running_checksum::running_checksum() {
  static_assert(sizeof(XXH3_state_t) <= state_bytes && alignof(XXH3_state_t) <= 64);
  XXH3_INITSTATE(of(state_.data()));
  XXH3_64bits_reset(of(state_.data()));
}

void running_checksum::add(const uint8_t* bytes, size_t size) {
  static const add_function function = fastest();
  function(state_.data(), bytes, size);
}

uint64_t running_checksum::value() const {
  return XXH3_64bits_digest(reinterpret_cast<const XXH3_state_t*>(state_.data()));
}

}  // namespace swarm::transport
