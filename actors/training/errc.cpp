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
    case errc::diverged:
      return "The run no longer trains; try a lower learning rate.";
  }
  return "Unknown training error.";
}

caf::error make_error(errc code) {
  return make_error(code, to_sentence(code));
}

caf::error make_error(errc code, const std::string& sentence) {
  return {static_cast<uint8_t>(code), caf::atom("training"), caf::make_message(sentence)};
}

std::optional<std::string> sentence_of(const caf::error& error) {
  if (!error || error.category() != caf::atom("training")) return std::nullopt;
  if (!error.context().match_elements<std::string>()) return std::nullopt;
  return error.context().get_as<std::string>(0);
}

bool is_divergence(const caf::error& error) {
  return error.category() == caf::atom("training") &&
         error.code() == static_cast<uint8_t>(errc::diverged);
}

}  // namespace swarm::training
