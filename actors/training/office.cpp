#include "actors/training/office.hpp"

namespace swarm::training {

std::optional<duty> office::after(duty from, office_event what) {
  if (what == office_event::deposed)
    return from == duty::standing_by ? std::nullopt : std::optional{duty::standing_by};
  switch (from) {
    case duty::standing_by:
      if (what == office_event::appointed) return duty::leading;
      if (what == office_event::leader_silent) return duty::asking;
      break;
    case duty::asking:
      if (what == office_event::elected) return duty::taking_over;
      if (what == office_event::denied) return duty::standing_by;
      break;
    case duty::taking_over:
      if (what == office_event::level) return duty::leading;
      if (what == office_event::unfinished) return duty::finishing;
      if (what == office_event::unready) return duty::waiting;
      break;
    case duty::finishing:
      if (what == office_event::finished) return duty::taking_over;
      if (what == office_event::patience_over) return duty::taking_over;
      break;
    case duty::waiting:
      if (what == office_event::newcomer) return duty::taking_over;
      if (what == office_event::patience_over) return duty::taking_over;
      if (what == office_event::stage_lost) return duty::taking_stock;
      break;
    case duty::leading:
      if (what == office_event::overtaken) return duty::taking_over;
      if (what == office_event::stage_lost) return duty::taking_stock;
      break;
    case duty::taking_stock:
      if (what == office_event::can_restore) return duty::restoring;
      if (what == office_event::can_move) return duty::moving;
      if (what == office_event::cannot) return duty::waiting;
      break;
    case duty::moving:
      if (what == office_event::moved) return duty::taking_stock;
      if (what == office_event::patience_over) return duty::taking_stock;
      break;
    case duty::restoring:
      if (what == office_event::restored) return duty::taking_over;
      break;
  }
  return std::nullopt;
}

bool office::on(office_event what) {
  const auto next = after(now_, what);
  if (!next) return false;
  now_ = *next;
  ++generation_;
  awaited_.clear();
  return true;
}

const char* to_string(duty which) {
  static const char* const names[] = {"standing by",  "asking",  "taking over",
                                      "finishing",    "waiting", "leading",
                                      "taking stock", "moving",  "restoring"};
  return names[static_cast<size_t>(which)];
}

}  // namespace swarm::training
