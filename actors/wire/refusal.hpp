#pragma once

#include <caf/atom.hpp>
#include <caf/error.hpp>
#include <cstdint>
#include <optional>

#include "actors/ids.hpp"
#include "actors/wire/messages.hpp"

namespace swarm::wire {

/// The category and the code of every refusal, whoever makes it.
inline constexpr auto refusal_category = caf::atom("stage");
inline constexpr uint8_t refusal_code = 1;

/// An error that carries a refusal, as a stage worker answers it.
caf::error make_refusal(schemas::Refusal::Reason reason, term_id term, step_id version,
                        round_id frozen_round);

caf::error make_refusal(refusal why);

/// The refusal inside an error reply, if that is what the error is.
std::optional<refusal> refusal_of(const caf::error& error);

/// Why, or nothing when the error is not a refusal.
std::optional<schemas::Refusal::Reason> refusal_reason(const caf::error& error);

}  // namespace swarm::wire
