#pragma once

#include <caf/error.hpp>
#include <optional>

#include "actors/wire/messages.hpp"

namespace swarm::wire {

/// The refusal inside an error reply, if that is what the error is.
std::optional<refusal> refusal_of(const caf::error& error);

/// Why, or nothing when the error is not a refusal.
std::optional<schemas::Refusal::Reason> refusal_reason(const caf::error& error);

}  // namespace swarm::wire
