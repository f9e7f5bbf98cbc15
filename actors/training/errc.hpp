#pragma once

#include <caf/error.hpp>
#include <cstdint>

namespace swarm::training {

enum class errc : uint8_t {
  stage_unreachable = 1,  ///< nobody of a stage answered in time: check that stage's workers
  bad_target,             ///< the asked-for version is already past: ask for a later one
  bad_reply               ///< a worker's answer makes no sense: it is broken or of another run
};

const char* to_sentence(errc code);

caf::error make_error(errc code);

}  // namespace swarm::training
