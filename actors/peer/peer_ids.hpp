#pragma once

#include <cstdint>
#include <string>

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

/// The one name that people see, its coordinator's included: the first 8 of 16 hexadecimal digits.
std::string short_name(peer_id who);
/// All 16 digits, for programs.
std::string full_name(peer_id who);

}  // namespace swarm::peer
