#pragma once

#include <caf/type_erased_tuple.hpp>
#include <cstdint>

namespace swarm::simulation {

/// Whatever is no frame of actors/wire: atoms, errors, control messages.
inline constexpr uint64_t small_message_bytes = 64;

struct message_size {
  uint64_t bytes = small_message_bytes;
  bool is_frame = false;
};

/// What a message would take on a network. Virtual tensors count in full.
message_size size_of(const caf::type_erased_tuple& content);

}  // namespace swarm::simulation
