#pragma once

#include <caf/error.hpp>
#include <cstdint>
#include <string>

namespace swarm::wire {

/// Why a received frame or tensor was refused. The frame is dropped, nothing else is touched.
enum class errc : uint8_t {
  truncated = 1,    ///< fewer bytes than the header promises: resend
  oversized,        ///< above frame_bytes_max: send it in parts
  wrong_magic,      ///< not a frame of ours: check the sender's version
  wrong_type,       ///< a frame of another schema struct: the sender is broken
  wrong_checksum,   ///< damaged on the way: resend
  malformed,        ///< not a valid Cap'n Proto message of this struct: the sender is broken
  bad_tensor,       ///< shape, type or encoding do not fit the payload: the sender is broken
  unexpected_empty  ///< CAF could not read the message: check the sender's version
};

/// A sentence, with what to do.
const char* to_sentence(errc code);

caf::error make_error(errc code);

/// The request never reached its receiver whole: it may be sent again.
bool is_damage(const caf::error& error);

}  // namespace swarm::wire
