#include "actors/training/errc.hpp"

#include <caf/atom.hpp>
#include <caf/make_message.hpp>
#include <caf/message.hpp>
#include <string>

namespace swarm::training {

const char* to_sentence(errc code) {
  switch (code) {
    case errc::stage_unreachable:
      return "No worker of a stage answered in time; check that every stage has a live worker.";
    case errc::bad_target:
      return "The model is already past the version asked for; ask for a later one.";
    case errc::bad_reply:
      return "A worker's answer does not fit the request; it is broken or of another run.";
  }
  return "Unknown training error.";
}

caf::error make_error(errc code) {
  return {static_cast<uint8_t>(code), caf::atom("training"),
          caf::make_message(std::string{to_sentence(code)})};
}

}  // namespace swarm::training
