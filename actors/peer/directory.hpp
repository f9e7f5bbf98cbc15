#pragma once

#include <caf/actor_system.hpp>

#include "actors/wire/roster.hpp"

namespace swarm::peer {

/// Members one directory remembers.
inline constexpr size_t members_max = 4096;

/// The list of who is there, and the only source of handles to other peers' actors: the remote
/// handle seam. It watches every announced actor and tells its subscribers at once when one dies.
///
/// Owner: the peer root, first of its children, since everything else needs it. It may drop:
/// announcements beyond members_max.
wire::directory_actor spawn_directory(caf::actor_system& system);

}  // namespace swarm::peer
