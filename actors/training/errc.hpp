#pragma once

#include <caf/error.hpp>
#include <cstdint>
#include <optional>
#include <string>

namespace swarm::training {

enum class errc : uint8_t {
  stage_unreachable = 1,  ///< nobody of a stage answered in time: check that stage's workers
  bad_target,             ///< the asked-for version is already past: ask for a later one
  bad_reply,              ///< a worker's answer makes no sense: it is broken or of another run
  diverged                ///< the run no longer trains; the error's text says since when
};

const char* to_sentence(errc code);

caf::error make_error(errc code);
/// With a sentence of the run at hand.
caf::error make_error(errc code, const std::string& sentence);

/// What such an error says to people; nothing if it is somebody else's error.
std::optional<std::string> sentence_of(const caf::error& error);
bool is_divergence(const caf::error& error);

}  // namespace swarm::training
