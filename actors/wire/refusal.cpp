#include "actors/wire/refusal.hpp"

#include <caf/make_message.hpp>
#include <caf/message.hpp>
#include <utility>

namespace swarm::wire {

caf::error make_refusal(schemas::Refusal::Reason reason, term_id term, step_id version,
                        round_id frozen_round) {
  builder<schemas::Refusal> message;
  message->setReason(reason);
  message->setTerm(term.value());
  message->setVersion(version.value());
  message->setFrozenRound(frozen_round.value());
  return make_refusal(message.finish());
}

caf::error make_refusal(refusal why) {
  return {refusal_code, refusal_category, caf::make_message(std::move(why))};
}

std::optional<refusal> refusal_of(const caf::error& error) {
  const auto& context = error.context();
  if (!error || !context.match_elements<refusal>()) return std::nullopt;
  auto found = context.get_as<refusal>(0);
  if (found.fault()) return std::nullopt;
  return found;
}

std::optional<schemas::Refusal::Reason> refusal_reason(const caf::error& error) {
  auto found = refusal_of(error);
  if (!found) return std::nullopt;
  return found->read()->getReason();
}

}  // namespace swarm::wire
