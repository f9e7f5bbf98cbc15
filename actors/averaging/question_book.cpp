#include "actors/averaging/question_book.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace swarm::averaging {

namespace {

/// A deadline is so many times the member's pace.
constexpr double patience = 4;
/// Repeats double the deadline up to this power.
constexpr int doublings_max = 6;
/// The pace follows slower answers at once and faster ones slowly.
constexpr double pace_memory = 0.9;
/// Rates are taken over at least this time, and so many times what was on its way.
constexpr double rate_period_s = 0.05;
constexpr size_t rate_period_windows = 3;
constexpr double rate_memory = 0.5;
/// Lines are shared with others, and not all senders are equally fast.
constexpr double line_patience = 2;
/// Of the line's bytes per round trip: room to find out that it carries more.
constexpr double window_gain = 2;

}  // namespace

member_paces::member_paces(size_t members, asking_limits limits)
    : limits_(limits), members_(members) {}

void member_paces::answered(size_t member, const open_question& question, bool learn,
                            double now_s) {
  auto& pace = members_[member];
  if (learn) {
    // From the first copy on, or a line slower than the deadline would be asked twice for ever.
    const double gap = now_s - std::max(question.first_asked_s, pace.heard_s);
    for (double* each : {&pace.between_s, &group_s_})
      *each = std::max(gap, pace_memory * *each + (1 - pace_memory) * gap);
  }
  pace.heard_s = now_s;
}

double member_paces::deadline_s(size_t member, const open_question& question) const {
  const auto& pace = members_[member];
  double wait = pace.between_s > 0 ? std::max(limits_.deadline_min_s, patience * pace.between_s)
                                   : std::max(limits_.first_deadline_s, patience * group_s_);
  wait = std::max(wait, least_s_);
  wait *= std::ldexp(1.0, std::min(question.repeats, doublings_max));
  return std::max(question.asked_s, pace.heard_s) +
         std::min(wait, std::max(least_s_, limits_.deadline_max_s));
}

question_book::question_book(size_t members, size_t first, asking_limits limits)
    : limits_(limits), todo_(members), open_of_(members, 0), turn_(first) {}

void question_book::forget_wants() {
  for (auto& queue : todo_)
    queue.clear();
}

std::optional<question_book::key> question_book::next(size_t window_bytes, size_t part_bytes,
                                                      const std::vector<uint32_t>& owed) {
  // One question is always allowed, or parts larger than the budget could never be asked for.
  if (!open_.empty() && bytes_ + part_bytes > limits_.in_flight_bytes_max) return std::nullopt;
  const bool room = bytes_ + part_bytes <= std::max(window_bytes, limits_.window_bytes_min);
  for (size_t k = 0; k < todo_.size(); ++k) {
    const size_t member = (turn_ + k) % todo_.size();
    const size_t open = open_of_[member];
    const size_t allowed = room ? limits_.in_flight_parts_max : limits_.in_flight_parts_min;
    if (todo_[member].empty() || open >= allowed) continue;
    if (!owed.empty() && owed[member] > 0) continue;
    const uint32_t part = todo_[member].front();
    todo_[member].pop_front();
    turn_ = member + 1;
    return key{member, part};
  }
  return std::nullopt;
}

void question_book::asked(key which, unit_list units, size_t bytes, double now_s) {
  const bool is_held = !units.own && !units.empty();
  open_[which] = {std::move(units), is_held ? 0 : bytes, now_s, now_s, is_held, 0};
  if (is_held) return;
  bytes_ += bytes;
  ++open_of_[which.first];
}

void question_book::asked_again(key which, const unit_list& units, double now_s) {
  auto& question = open_.at(which);
  question.asked.own |= units.own;
  for (const auto& share : units.shares) {
    auto& known = question.asked.shares;
    if (std::find(known.begin(), known.end(), share) == known.end()) known.push_back(share);
  }
  question.asked_s = now_s;
  ++question.repeats;
}

const open_question* question_book::find(key which) const {
  const auto found = open_.find(which);
  return found == open_.end() ? nullptr : &found->second;
}

void question_book::remove(open_map::iterator at) {
  bytes_ -= at->second.bytes;
  if (!at->second.is_held) --open_of_[at->first.first];
  open_.erase(at);
}

std::optional<double> question_book::answered(key which, double now_s, member_paces& paces,
                                              bool learn) {
  const auto found = open_.find(which);
  if (found == open_.end()) return std::nullopt;
  paces.answered(which.first, found->second, learn, now_s);
  const bool once = found->second.repeats == 0;
  const double took = now_s - found->second.asked_s;
  remove(found);
  if (!once) return std::nullopt;
  return took;
}

void question_book::close(key which) {
  const auto found = open_.find(which);
  if (found != open_.end()) remove(found);
}

void question_book::forget(size_t member) {
  todo_[member].clear();
  auto at = open_.lower_bound({member, 0});
  while (at != open_.end() && at->first.first == member)
    remove(at++);
}

std::vector<question_book::key> question_book::overdue(double now_s,
                                                       const member_paces& paces) const {
  std::vector<key> result;
  for (const auto& [which, question] : open_)
    if (paces.deadline_s(which.first, question) <= now_s) result.push_back(which);
  return result;
}

std::optional<double> question_book::next_deadline_s(const member_paces& paces) const {
  if (open_.empty()) return std::nullopt;
  double first = std::numeric_limits<double>::infinity();
  for (const auto& [which, question] : open_)
    first = std::min(first, paces.deadline_s(which.first, question));
  return first;
}

// -- line ---------------------------------------------------------------------------------------

void line_meter::received(size_t bytes, size_t in_flight_bytes, double now_s) {
  // The first bytes tell when the period begins, not how fast they came.
  if (since_s_ < 0) {
    since_s_ = now_s;
    // A first rate is wanted soon, if it is up to twice too high.
    period_bytes_ = (rate_ > 0 ? rate_period_windows : 1) * in_flight_bytes;
    return;
  }
  bytes_ += bytes;
  const double passed = now_s - since_s_;
  if (bytes_ < period_bytes_ || passed < std::max(rate_period_s, round_trip_s_)) return;
  const double lately = static_cast<double>(bytes_) / passed;
  rate_ = rate_ > 0 ? std::max(lately, rate_memory * rate_ + (1 - rate_memory) * lately) : lately;
  bytes_ = 0;
  since_s_ = now_s;
  period_bytes_ = rate_period_windows * in_flight_bytes;
}

void line_meter::round_trip(double seconds) {
  if (round_trip_s_ <= 0 || seconds < round_trip_s_) round_trip_s_ = std::max(seconds, 1e-6);
}

void line_meter::pause() {
  since_s_ = -1;
  bytes_ = 0;
}

double line_meter::patience_s(size_t bytes) const {
  return rate_ > 0 ? line_patience * static_cast<double>(bytes) / rate_ : 0;
}

size_t line_meter::window_bytes() const {
  // A rate above what memory carries comes from a clock that stands still.
  return static_cast<size_t>(std::min(1e12, window_gain * rate_ * round_trip_s_));
}

}  // namespace swarm::averaging
