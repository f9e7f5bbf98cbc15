#pragma once

#include <caf/error.hpp>
#include <cstdint>

namespace swarm::faults {

enum class errc : uint8_t {
  injected = 1,     ///< a test made this call fail: handle it as any failed call
  bad_probability,  ///< outside [0, 1]
  bad_time,         ///< negative, or a range whose end is before its beginning
  bad_factor,       ///< slower means a factor of at least 1
  bad_selection,    ///< it names no message: pass a matcher
  unknown_subject,  ///< the plan names a subject that is not there
  no_such_child     ///< the supervisor has no running child of that id
};

/// A sentence, with what to do.
const char* to_sentence(errc code);

caf::error make_error(errc code);

/// Throws std::invalid_argument with the sentence.
[[noreturn]] void reject(errc code);

}  // namespace swarm::faults
