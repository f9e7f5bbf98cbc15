#include "actors/stage/errc.hpp"

#include <caf/make_message.hpp>
#include <caf/message.hpp>
#include <string>

#include "actors/wire/refusal.hpp"

namespace swarm::stage {

namespace {

constexpr auto category = wire::refusal_category;

}  // namespace

const char* to_sentence(errc code) {
  switch (code) {
    case errc::refused:
      return "The worker refuses; the refusal says why and where it stands.";
    case errc::no_state:
      return "The worker has no such snapshot; ask for the newest version.";
    case errc::compute_failed:
      return "The stage's engine failed; when it fails again and again the worker is restarted.";
  }
  return "Unknown stage error.";
}

caf::error make_error(errc code, const char* detail) {
  std::string sentence = to_sentence(code);
  if (detail != nullptr) sentence += std::string(" (") + detail + ")";
  return {static_cast<uint8_t>(code), category, caf::make_message(std::move(sentence))};
}

caf::error make_error(const refusal& why) {
  static_assert(static_cast<uint8_t>(errc::refused) == wire::refusal_code);
  wire::builder<schemas::Refusal> message;
  message->setReason(static_cast<schemas::Refusal::Reason>(why.reason));
  message->setTerm(why.term.value());
  message->setVersion(why.version.value());
  message->setFrozenRound(why.frozen_round.value());
  message->setHistory(why.history.value());
  message->setDoneBytes(why.done_bytes);
  message->setTotalBytes(why.total_bytes);
  return wire::make_refusal(message.finish());
}

}  // namespace swarm::stage
