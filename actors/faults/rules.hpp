#pragma once

#include <caf/error.hpp>
#include <caf/message.hpp>
#include <chrono>
#include <cstdint>
#include <functional>

#include "actors/faults/fault_class.hpp"
#include "actors/faults/link.hpp"

/// One fault for chosen messages: lose_reply(next<withdraw, int>()).
namespace swarm::faults {

using matcher = std::function<bool(const passage&)>;

/// Messages that consist of exactly these types, in either direction. An answer may have the same
/// types as a request.
template <class... Ts>
matcher of() {
  return [](const passage& message) { return message.content.match_elements<Ts...>(); };
}

/// Which of the messages that match.
struct selection {
  matcher matches;
  uint64_t skip = 0;         ///< so many pass first
  uint64_t times = 1;        ///< then so many are chosen; 0: all
  double probability = 1.0;  ///< of those
};

selection next(matcher which);
/// n counts from 1.
selection nth(uint64_t n, matcher which);
selection each(matcher which);
selection sometimes(double probability, matcher which);

template <class... Ts>
selection next() {
  return next(of<Ts...>());
}
template <class... Ts>
selection nth(uint64_t n) {
  return nth(n, of<Ts...>());
}
template <class... Ts>
selection each() {
  return each(of<Ts...>());
}
template <class... Ts>
selection sometimes(double probability) {
  return sometimes(probability, of<Ts...>());
}

/// Changes the fate of a message; false: there was nothing to change.
using effect = std::function<bool(const passage&, fate&)>;

struct rule {
  selection which;
  fault_class kind = fault_class::loss;
  bool requests_only = false;  ///< what asks for nothing is not counted among those that match
  /// On the message itself; may be empty.
  effect on_message;
  /// On the answers to a chosen request, however late; may be empty.
  effect on_answer;
  /// The device takes nothing new for so long.
  std::chrono::nanoseconds stall{0};
};

/// Where a call fails, as the caller and the target see it:
///
///                  target executes   caller hears
///     fail_before        no          the error
///     fail_during        yes         the error, at once
///     fail_after         yes         nothing: its time-out
///     lose               no          nothing: its time-out
rule fail_before(selection which, caf::error why = {});
rule fail_during(selection which, caf::error why = {});
rule fail_after(selection which);
rule lose_reply(selection which);
rule lose(selection which);

rule duplicate(selection which, std::chrono::nanoseconds second_after = {});
rule delay(selection which, std::chrono::nanoseconds by);
rule delay_reply(selection which, std::chrono::nanoseconds by);
rule corrupt(selection which);
rule truncate(selection which);
rule corrupt_reply(selection which);
/// The caller gets `lie` in place of an answer that is not an error.
rule change_reply(selection which, caf::message lie);

}  // namespace swarm::faults
