#include "actors/wire/errc.hpp"

#include <caf/atom.hpp>
#include <caf/make_message.hpp>
#include <caf/message.hpp>

namespace swarm::wire {

const char* to_sentence(errc code) {
  switch (code) {
    case errc::truncated:
      return "The frame is shorter than its header says; send it again.";
    case errc::oversized:
      return "The frame is larger than frame_bytes_max; send it in parts.";
    case errc::wrong_magic:
      return "The bytes are not a swarm frame; check that both sides run the same protocol.";
    case errc::wrong_type:
      return "The frame holds another message type; the sender is broken, report it.";
    case errc::wrong_checksum:
      return "The frame was damaged on the way; send it again.";
    case errc::malformed:
      return "The frame is not a valid message of its type; the sender is broken, report it.";
    case errc::bad_tensor:
      return "The tensor's shape, type or encoding does not fit its payload; report the sender.";
    case errc::unexpected_empty:
      return "A message could not be read at all; check that both sides run the same version.";
  }
  return "Unknown wire error.";
}

caf::error make_error(errc code) {
  return {static_cast<uint8_t>(code), caf::atom("wire"),
          caf::make_message(std::string{to_sentence(code)})};
}

bool is_damage(const caf::error& error) {
  if (error.category() != caf::atom("wire")) return false;
  const auto code = static_cast<errc>(error.code());
  return code != errc::oversized && code != errc::bad_tensor;
}

}  // namespace swarm::wire
