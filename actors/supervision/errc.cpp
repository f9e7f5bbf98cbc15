#include "actors/supervision/errc.hpp"

#include <caf/atom.hpp>
#include <caf/make_message.hpp>
#include <caf/message.hpp>
#include <string>

namespace swarm::supervision {

const char* to_sentence(errc code) {
  switch (code) {
    case errc::intensity_exceeded:
      return "Children failed too often, so the supervisor gave up; look at their exit reasons.";
    case errc::unknown_child:
      return "The supervisor has no child of that id; ask it for its children.";
    case errc::duplicate_child:
      return "A child of that id exists; choose another id, or restart that child.";
    case errc::start_failed:
      return "The child's factory failed; look at the supervisor's events for why.";
    case errc::shutting_down:
      return "The supervisor is stopping; ask the one that takes its place.";
    case errc::too_many_children:
      return "The supervisor has children_max children; put a supervisor below it.";
    case errc::bad_child:
      return "A child needs an id, a factory and a shutdown time-out of 0 or more; correct the "
             "spec.";
  }
  return "Unknown supervision error.";
}

caf::error make_error(errc code) {
  return {static_cast<std::uint8_t>(code), caf::atom("superv"),
          caf::make_message(std::string{to_sentence(code)})};
}

}  // namespace swarm::supervision
