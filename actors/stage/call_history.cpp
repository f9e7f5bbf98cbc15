#include "actors/stage/call_history.hpp"

#include <algorithm>

#include "actors/invariant.hpp"

namespace swarm::stage {

namespace {

/// Of the moving average: how much the newest call counts.
constexpr double newest_share = 0.2;

}  // namespace

const char* to_string(call_history::verdict what) {
  switch (what) {
    case call_history::verdict::fine:
      return "fine";
    case call_history::verdict::failing:
      return "failing";
    case call_history::verdict::hung:
      return "hung";
  }
  return "unknown";
}

call_history::call_history(size_t kinds, const options& given) : options_(given), kinds_(kinds) {
  SWARM_INVARIANT(kinds > 0 && given.multiple > 1 && given.shortest_s > 0 && given.failures_max > 0,
                  "a watch that lets every call take its time and fail once");
}

/// A gap in which nobody looked counts as two periods.
void call_history::pass(double now_s) {
  const double gap_s = std::clamp(now_s - seen_s_, 0.0, 2 * look_period_s());
  if (busy()) oldest_s_ += gap_s;
  seen_s_ = std::max(seen_s_, now_s);
}

uint64_t call_history::begin(size_t kind, double now_s) {
  SWARM_INVARIANT(kind < kinds_.size(), "the kind of call is known");
  pass(now_s);
  if (!busy()) oldest_s_ = 0;
  out_.push_back({++last_, kind});
  check_invariants();
  return last_;
}

void call_history::end(uint64_t id, outcome what, double now_s) {
  pass(now_s);
  const auto found =
      std::find_if(out_.begin(), out_.end(), [id](const call& c) { return c.id == id; });
  if (found == out_.end()) return;
  auto& kind = kinds_[found->kind];
  const bool oldest = found == out_.begin();
  if (what == outcome::done) {
    kind.failures = 0;
    // An answer that has overtaken another says nothing of its own time.
    if (oldest) {
      kind.mean_s += newest_share * (oldest_s_ - kind.mean_s);
      kind.weight += newest_share * (1 - kind.weight);
    }
  } else if (what == outcome::failed && ++kind.failures >= options_.failures_max &&
             verdict_ == verdict::fine) {
    verdict_ = verdict::failing;
  }
  out_.erase(found);
  oldest_s_ = 0;
  check_invariants();
}

void call_history::look(double now_s) {
  pass(now_s);
  if (busy() && verdict_ == verdict::fine && oldest_s_ > limit_s(out_.front().kind))
    verdict_ = verdict::hung;
  check_invariants();
}

double call_history::limit_s(size_t kind) const {
  const auto& own = kinds_.at(kind);
  if (own.weight > 0)
    return std::max(options_.shortest_s, options_.multiple * own.mean_s / own.weight);
  double longest_s = 0;
  for (const auto& k : kinds_)
    if (k.weight > 0) longest_s = std::max(longest_s, k.mean_s / k.weight);
  return std::max({options_.shortest_s, options_.first_s, options_.multiple * longest_s});
}

void call_history::check_invariants() const {
  SWARM_INVARIANT(oldest_s_ >= 0 && (busy() || oldest_s_ == 0),
                  "time counts while a call is at the device");
  SWARM_INVARIANT(std::is_sorted(out_.begin(), out_.end(),
                                 [](const call& a, const call& b) { return a.id < b.id; }),
                  "calls are kept in the order in which they were begun");
  for (const auto& k : kinds_)
    SWARM_INVARIANT(k.mean_s >= 0 && k.weight >= 0 && k.weight <= 1,
                    "a mean of times is a time, and a share is a share");
}

}  // namespace swarm::stage
