#pragma once

#include <caf/type_erased_tuple.hpp>
#include <cstdint>

namespace swarm::simulation {

/// Whatever is no frame of actors/wire: atoms, errors, control messages.
inline constexpr uint64_t small_message_bytes = 64;

/// What a message mostly carries.
enum class cargo : uint8_t {
  orders,       ///< nothing large
  activations,  ///< tensors of single microbatches, and their gradients
  sums,         ///< parts of an all-reduce
  states        ///< parameters and optimizer states
};
inline constexpr size_t cargoes = 4;
const char* to_string(cargo of);

/// Bytes of the modelled machine for each real byte of sums and states, whose contents the
/// simulator needs and keeps small. A modelled engine says which (modelled_engine.hpp). So a limit
/// in bytes that production code is given has to be divided by it.
struct contents_scale {
  double sums = 1;
  double states = 1;
};

struct message_size {
  uint64_t bytes = small_message_bytes;
  bool is_frame = false;
  cargo of = cargo::orders;
  bool is_contribution = false;  ///< to a sum, which begins an all-reduce
};

/// What a message would take on a network. Virtual tensors count in full, sums and states as
/// `scale` says; heads and orders as they are.
message_size size_of(const caf::type_erased_tuple& content, const contents_scale& scale = {});

}  // namespace swarm::simulation
