#include "actors/peer/event_sentence.hpp"

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "actors/peer/peer_ids.hpp"

namespace swarm::peer {

namespace {

struct wording {
  const char* name;
  const char* text;  ///< with {fields}; null: routine
};

constexpr const char* routine = nullptr;
constexpr const char* late_copies =
    "copies of step {version} are late: until they come, a lost stage costs more than --copy-every "
    "steps";

constexpr wording wordings[] = {
    // actors/training
    {"step", routine},
    {"coordinator_leads", "leads"},
    {"coordinator_stands_down", "leads no more, at step {step}"},
    {"coordinator_took_over", "took over the lead at step {step}"},
    {"overtaken", "the others are at step {version} already, it was at {step}"},
    {"commit_finished", routine},
    {"stage_empty", "step {step} waits: a stage has nobody who serves it"},
    {"stage_behind", "stage {stage} waits for step {step}, which its peers do not have yet"},
    {"stage_lost", "{detail}"},
    {"stage_needs_peer", "{detail}"},
    {"rework", "step {step}: {items} lost gradients are computed again"},
    {"worker_silent", "peer {peer} does not answer and is left out of step {step}"},
    {"worker_diverged",
     "peer {peer} has other weights than its stage's others after step {step} and is left out"},
    {"reduce_failed", "peer {peer} did not get through the all-reduce of step {step}"},
    {"rescue_begins", "a stage is lost at step {step}: looks for the copies of its state"},
    {"peer_moved", "sends peer {peer} to stage {stage}, which has nobody"},
    {"rescued", "{detail}"},
    {"resumed", "{detail}"},
    {"peer_dropped", "{detail}"},
    {"promise_withdrawn", "{detail}"},
    {"promise_regained", "{detail}"},
    {"diverged", "{detail}"},
    {"copies_kept", routine},
    {"copies_late", late_copies},
    {"copies_missing", late_copies},
    {"move_granted", routine},
    // actors/stage
    {"serving", "serves stage {stage} from step {version}"},
    {"joined", routine},
    {"fetching", routine},
    {"fetched", routine},
    {"joining", routine},
    {"refetch", routine},
    {"fetch_failed", "cannot fetch the state of stage {stage}: {why}"},
    {"stored_state_refused",
     "stage {stage}: the state of step {version} that it had kept does not fit and is not used"},
    {"damaged_frame", "a damaged message came: {fault}"},
    {"restored", "stage {stage} is back at step {version}"},
    {"moves", "moves to stage {stage}"},
    {"backup", routine},
    {"compute_given_up", "stage {stage}: its device is {why}; the stage is started again"},
    {"no_room_for_copy",
     "has no room for the copy of stage {stage}, step {version}: raise --backup-memory"},
    // actors/averaging
    {"wrong_part", "peer {peer} sent what does not fit stage {stage}'s all-reduce: {why}"},
    // actors/rebalancing
    {"rebalanced", "peer {peer} moves from stage {from} to stage {to}"},
    // actors/peer
    {"peer_up", "peer {peer} is there: {text}"},
    {"peer_down", "peer {peer} is gone: {text}"},
    {"clock_differs", "{text}"},
    {"token_in_use", "{text}"},
    {"kernels_differ", "peer {peer} computes with kernels {text}"},
    {"bad_roster", "peer {peer} told a damaged list of its members"},
};

std::string text_of(const std::string& key, const telemetry::field_value& value) {
  if (const auto* integer = std::get_if<int64_t>(&value))
    return key == "peer" ? short_name(peer_id{static_cast<uint64_t>(*integer)})
                         : std::to_string(*integer);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  char buffer[32];
  std::snprintf(buffer, sizeof(buffer), "%.4g", std::get<double>(value));
  return buffer;
}

/// The rooms below know the peer's number alone.
std::string with_short_name(std::string text, const telemetry::event& e) {
  const auto* value = telemetry::find(e, "peer");
  const auto* number = value == nullptr ? nullptr : std::get_if<int64_t>(value);
  if (number == nullptr) return text;
  const peer_id who{static_cast<uint64_t>(*number)};
  const auto decimal = "peer " + std::to_string(who.value());
  const auto at = text.find(decimal);
  return at == std::string::npos ? text
                                 : text.replace(at, decimal.size(), "peer " + short_name(who));
}

std::string fill_in(const std::string& text, const telemetry::event& e) {
  std::string result;
  size_t at = 0;
  while (at < text.size()) {
    const auto open = text.find('{', at);
    const auto close = open == std::string::npos ? open : text.find('}', open);
    if (close == std::string::npos) break;
    result += text.substr(at, open - at);
    const auto key = text.substr(open + 1, close - open - 1);
    const auto* value = telemetry::find(e, key);
    result += value == nullptr ? "?" : text_of(key, *value);
    at = close + 1;
  }
  return with_short_name(result + text.substr(at), e);
}

bool has(const telemetry::event& e, const char* key, const telemetry::field_value& value) {
  const auto* found = telemetry::find(e, key);
  return found != nullptr && *found == value;
}

/// Of those whose meaning is in a field.
std::optional<std::string> by_field(const telemetry::event& e) {
  if (e.name == "dial_failed" && has(e, "final", int64_t{1})) return fill_in("{text}", e);
  if (e.name == "lease_failed" && has(e, "outcome", std::string{"non_finite"}))
    return fill_in("step {step}: microbatch {microbatch} is not finite and left out", e);
  return std::nullopt;
}

}  // namespace

std::string to_line(const telemetry::event& e) {
  std::string result = e.name;
  for (const auto& f : e.fields)
    result += " " + f.key + "=" + text_of(f.key, f.value);
  return result;
}

std::optional<std::string> event_sentence(const telemetry::event& e) {
  if (e.name == "dial_failed" || e.name == "lease_failed") return by_field(e);
  const auto known = std::find_if(std::begin(wordings), std::end(wordings),
                                  [&](const wording& w) { return e.name == w.name; });
  if (known != std::end(wordings)) {
    if (known->text == routine) return std::nullopt;
    return fill_in(known->text, e);
  }
  for (const char* key : {"sentence", "text", "detail"})
    if (telemetry::find(e, key) != nullptr) return fill_in("{" + std::string{key} + "}", e);
  return to_line(e);
}

}  // namespace swarm::peer
