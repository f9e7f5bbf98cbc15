#include "actors/wire/refusal.hpp"

#include <caf/message.hpp>

namespace swarm::wire {

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
