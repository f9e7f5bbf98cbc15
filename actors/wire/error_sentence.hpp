#pragma once

#include <caf/error.hpp>
#include <caf/fwd.hpp>
#include <string>

namespace swarm::wire {

/// An error as people read it, in one sentence without a dot: what the room that made it says
/// (actors/*/errc.hpp), why a worker refused, what CAF's own codes mean. The only way in which an
/// error is shown.
std::string error_sentence(const caf::error& error);

/// actor_system::render gives the same from then on. Part of peer::add_message_types.
void add_error_sentences(caf::actor_system_config& config);

}  // namespace swarm::wire
