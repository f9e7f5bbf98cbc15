#include "actors/faults/errc.hpp"

#include <caf/atom.hpp>
#include <caf/make_message.hpp>
#include <stdexcept>
#include <string>

namespace swarm::faults {

const char* to_sentence(errc code) {
  switch (code) {
    case errc::injected:
      return "A test made this call fail; handle it as any failed call.";
    case errc::bad_probability:
      return "A probability lies outside [0, 1]; pass a share, not a percentage.";
    case errc::bad_time:
      return "A time is negative or a range ends before it begins; swap or correct it.";
    case errc::bad_factor:
      return "A factor of slowness is below 1; pass how many times slower.";
    case errc::bad_selection:
      return "A selection has no matcher; say which messages it means.";
    case errc::unknown_subject:
      return "A plan names a subject that is not there; make it for the subjects at hand.";
    case errc::no_such_child:
      return "The supervisor has no running child of that id; ask it for its children.";
  }
  return "Unknown fault error.";
}

caf::error make_error(errc code) {
  return {static_cast<uint8_t>(code), caf::atom("faults"),
          caf::make_message(std::string{to_sentence(code)})};
}

void reject(errc code) {
  throw std::invalid_argument{to_sentence(code)};
}

}  // namespace swarm::faults
