#pragma once

#include <caf/error.hpp>
#include <cstdint>

#include "actors/stage/step_guard.hpp"

namespace swarm::stage {

/// Why a stage worker did not do what it was asked. Refusals carry a wire::refusal as context.
enum class errc : uint8_t {
  refused = 1,    ///< see the refusal: retry elsewhere, later, or not at all
  no_state,       ///< no such snapshot: ask for the newest
  compute_failed  ///< the engine failed: see the message; ask another worker
};

const char* to_sentence(errc code);

caf::error make_error(errc code, const char* detail = nullptr);

/// The refusal travels inside the error.
caf::error make_error(const refusal& why);

}  // namespace swarm::stage
