#include "actors/simulation/event_hash.hpp"

#include <xxhash.h>

namespace swarm::simulation {

namespace {

void release(XXH3_state_t* state) {
  XXH3_freeState(state);
}

}  // namespace

event_hash::event_hash() : state_(XXH3_createState(), &release) {
  XXH3_64bits_reset(state_.get());
}

event_hash::~event_hash() = default;

void event_hash::add(uint64_t a, uint64_t b, uint64_t c) {
  const uint64_t record[] = {a, b, c};
  XXH3_64bits_update(state_.get(), record, sizeof(record));
}

uint64_t event_hash::value() const {
  return XXH3_64bits_digest(state_.get());
}

}  // namespace swarm::simulation
