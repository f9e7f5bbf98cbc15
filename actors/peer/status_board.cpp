#include "actors/peer/status_board.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "actors/peer/event_sentence.hpp"

namespace swarm::peer {

namespace {

double number(const telemetry::event& e, const char* key) {
  const auto* value = telemetry::find(e, key);
  if (value == nullptr) return 0;
  if (const auto* integer = std::get_if<int64_t>(value)) return static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(value)) return *real;
  return 0;
}

}  // namespace

void status_board::on_event(const telemetry::event& e, moment now) {
  if (e.name == "step") return on_step(e);
  if (e.name == "coordinator_leads") leads_ = true;
  if (e.name == "coordinator_stands_down") leads_ = false;
  auto text = event_sentence(e);
  if (!text) return;
  // What repeats itself must not push out the rest.
  const auto before = std::find_if(events_.begin(), events_.end(),
                                   [&](const happening& h) { return h.text == *text; });
  if (before != events_.end()) events_.erase(before);
  events_.push_back({now, std::move(*text)});
  if (events_.size() > status_events_max) events_.pop_front();
}

void status_board::on_step(const telemetry::event& e) {
  leads_ = true;
  steps_.push_back({number(e, "seconds"), number(e, "tokens")});
  if (steps_.size() > status_steps) steps_.pop_front();
  step sum{0, 0};
  for (const auto& s : steps_)
    sum = {sum.seconds + s.seconds, sum.tokens + s.tokens};
  last_.step = static_cast<int64_t>(number(e, "step")) + 1;
  // A step of which no loss is known leaves the last one.
  if (telemetry::find(e, "loss") != nullptr) last_.loss = number(e, "loss");
  last_.learning_rate = number(e, "lr");
  last_.term = static_cast<uint64_t>(number(e, "term"));
  last_.tokens_per_s = sum.seconds > 0 ? sum.tokens / sum.seconds : 0;
}

void status_board::on_roster(const wire::roster_update& update) {
  for (const auto& id : update.gone)
    members_.erase(id);
  for (auto m : update.changed) {
    // Only who it is counts here; a handle would keep an actor's memory.
    m.handle = caf::actor{};
    m.averager = caf::actor{};
    members_[m.id] = std::move(m);
  }
}

std::optional<status_board::training> status_board::progress() const {
  if (!leads_ || steps_.empty()) return std::nullopt;
  return last_;
}

}  // namespace swarm::peer
