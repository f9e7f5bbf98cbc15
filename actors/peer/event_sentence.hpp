#pragma once

#include <optional>
#include <string>

#include "actors/telemetry/event.hpp"

namespace swarm::peer {

/// One event as a line of its fields: "rework step=7 items=3".
std::string to_line(const telemetry::event& e);

/// What happened, as a sentence for somebody who looks on; nothing for what happens all the time
/// and asks nobody for anything (copies that were kept, a state on its way). The names of all
/// events stand in event_sentence.cpp; one that is not there is told by its text, detail or
/// sentence field, or else as a line of its fields.
std::optional<std::string> event_sentence(const telemetry::event& e);

}  // namespace swarm::peer
