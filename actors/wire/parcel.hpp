#pragma once

#include <caf/error.hpp>
#include <caf/message.hpp>
#include <caf/type_erased_tuple.hpp>
#include <cstdint>
#include <optional>
#include <variant>

#include "actors/wire/frame.hpp"
#include "actors/wire/messages.hpp"

/// CAF messages to and from what a transport carries, without knowing their types.
namespace swarm::wire {

struct parcel {
  uint64_t type = 0;  ///< the schema's id; 0: an empty message
  frame_ptr body;     ///< null when the message was damaged or empty
};

/// Of an empty message or of one that is a single wire::message; nothing of any other: it cannot
/// leave the process.
std::optional<parcel> to_parcel(const caf::type_erased_tuple& content);

/// The CAF message that arrived. The frame is checked against its schema; whatever is wrong with it
/// becomes the message's fault. Nothing when no message has that type.
std::optional<caf::message> from_parcel(uint64_t type, std::variant<frame_ptr, errc> body);

/// An error as it crosses: code, category, sentence, and the refusal it may carry. Anything else in
/// its context stays behind.
failure to_failure(const caf::error& error);

/// The error that arrived; a damaged one is the damage.
caf::error from_failure(const failure& message);

}  // namespace swarm::wire
