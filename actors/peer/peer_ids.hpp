#pragma once

#include <cstdint>

#include "actors/ids.hpp"

namespace swarm::peer {

/// The directory knows members by their id, so a peer's coordinator goes by another one than its
/// trainer.
constexpr peer_id coordinator_id_of(peer_id trainer) {
  return peer_id{trainer.value() | uint64_t{1} << 63};
}

}  // namespace swarm::peer
