#pragma once

#include <cstdint>

#include "actors/ids.hpp"

namespace swarm::peer {

/// The directory knows members by their id, so a peer's coordinator goes by another one than its
/// trainer.
constexpr peer_id coordinator_id_of(peer_id trainer) {
  return peer_id{trainer.value() | uint64_t{1} << 63};
}

/// The peer whose trainer or coordinator it is.
constexpr peer_id process_of(peer_id member) {
  return peer_id{member.value() & ~(uint64_t{1} << 63)};
}

}  // namespace swarm::peer
