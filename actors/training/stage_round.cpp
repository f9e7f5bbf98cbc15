#include "actors/training/stage_round.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "actors/invariant.hpp"
#include "actors/planted_bug.hpp"

namespace swarm::training {

void stage_round::open_gather(round_id round, const std::set<worker_id>& workers) {
  SWARM_INVARIANT(round_ < round, "every gather closes a later round");
  round_ = round;
  ++gathers_;
  phase_ = phase::gathering;
  asked_ = awaited_ = workers;
  holders_.clear();
  awaiting_result_.clear();
  have_result_.clear();
  result_ = {};
  repair_ = {};
  failed_ = false;
}

bool stage_round::ask_too(worker_id worker) {
  if (phase_ != phase::gathering || !asked_.insert(worker).second) return false;
  awaited_.insert(worker);
  return true;
}

bool stage_round::report(worker_id worker, round_id round, const held_bitmap& held) {
  if (phase_ != phase::gathering || round != round_ || awaited_.count(worker) == 0) return true;
  const auto last = static_cast<size_t>(microbatches_ / 8);
  for (size_t byte = last; byte < held.size(); ++byte)
    if ((byte == last ? held[byte] >> (microbatches_ % 8) : held[byte]) != 0) return false;
  awaited_.erase(worker);
  holders_[worker] = held;
  return true;
}

void stage_round::lost(worker_id worker) {
  switch (phase_) {
    case phase::computing:
      return;
    case phase::gathering:
      awaited_.erase(worker);
      holders_.erase(worker);
      return;
    case phase::reducing:
      if (holders_.count(worker) != 0 && !repair_.is_lost(worker)) lost_while_reducing(worker);
      return;
    case phase::reduced:
      // Whoever still has the sum can commit it.
      if (have_result_.erase(worker) != 0 && have_result_.empty()) failed_ = true;
      return;
  }
}

void stage_round::lost_while_reducing(worker_id worker) {
  awaiting_result_.erase(worker);
  have_result_.erase(worker);
  const bool goes_on = repair_.lose(worker);
  // All others are through: whatever it had is in their sums.
  if (awaiting_result_.empty() && !have_result_.empty()) {
    phase_ = phase::reduced;
  } else if (!goes_on) {
    failed_ = true;
  }
}

void stage_round::reopen() {
  if (phase_ == phase::reducing || phase_ == phase::reduced) failed_ = true;
}

bool stage_round::holds(microbatch_id microbatch) const {
  return std::any_of(holders_.begin(), holders_.end(), [&](const auto& entry) {
    return training::holds(entry.second, microbatch.value());
  });
}

/// Undoing costs a backward per microbatch, forgetting costs one per microbatch that only this
/// worker holds.
void stage_round::give_up(worker_id worker, std::vector<int64_t> extra, findings& out) const {
  const auto& held = holders_.at(worker);
  std::vector<int64_t> rest;
  for (int64_t m = 0; m < microbatches_; ++m)
    if (training::holds(held, m) && !std::binary_search(extra.begin(), extra.end(), m))
      rest.push_back(m);
  if (extra.size() <= rest.size() && cannot_undo_.count(worker) == 0) {
    out.to_undo[worker] = std::move(extra);
    return;
  }
  out.to_drop.push_back(worker);
  out.lacking.insert(out.lacking.end(), rest.begin(), rest.end());
}

stage_round::findings stage_round::reconcile(const std::set<microbatch_id>& dropped) {
  SWARM_INVARIANT(gathered(), "reconcile compares complete reports");
  findings result;
  if (holders_.empty()) {
    result.what = verdict::empty;
    return result;
  }
  std::map<worker_id, std::vector<int64_t>> extra;
  for (int64_t m = 0; m < microbatches_; ++m) {
    bool held = dropped.count(microbatch_id{m}) != 0;
    for (const auto& [worker, set] : holders_) {
      if (!training::holds(set, m)) continue;
      if (held && !planted(planted_bug::extra_not_reconciled)) extra[worker].push_back(m);
      held = true;
    }
    if (!held && !planted(planted_bug::lacking_not_replayed)) result.lacking.push_back(m);
  }
  for (auto& [worker, microbatches] : extra)
    give_up(worker, std::move(microbatches), result);
  std::sort(result.lacking.begin(), result.lacking.end());
  const bool clean = result.lacking.empty() && result.to_undo.empty() && result.to_drop.empty();
  result.what = clean ? verdict::clean : verdict::rework;
  phase_ = clean ? phase::reducing : phase::computing;
  if (!clean) return result;
  repair_ = group_repair{holders_};
  for (const auto& [worker, held] : holders_)
    awaiting_result_.insert(worker);
  return result;
}

std::vector<worker_id> stage_round::members() const {
  std::vector<worker_id> result;
  for (const auto& [worker, held] : holders_)
    result.push_back(worker);
  return result;
}

bool stage_round::reduced(worker_id worker, round_id round, const stage_result& result) {
  if (phase_ != phase::reducing || round != round_ || awaiting_result_.count(worker) == 0)
    return true;
  const bool differs = !have_result_.empty() && !(result_ == result) &&
                       !planted(planted_bug::reduce_hash_not_compared);
  if (!std::isfinite(result.squared_norm) || differs) {
    failed_ = true;
    return false;
  }
  if (have_result_.empty()) result_ = result;
  awaiting_result_.erase(worker);
  have_result_.insert(worker);
  if (failed_) return true;
  if (awaiting_result_.empty()) phase_ = phase::reduced;
  return true;
}

void stage_round::check_law(const std::set<microbatch_id>& dropped) const {
  if (planted(planted_bug::extra_not_reconciled) || planted(planted_bug::lacking_not_replayed))
    return;
  for (int64_t m = 0; m < microbatches_; ++m) {
    const auto count = std::count_if(holders_.begin(), holders_.end(), [m](const auto& entry) {
      return training::holds(entry.second, m);
    });
    const int64_t expected = dropped.count(microbatch_id{m}) != 0 ? 0 : 1;
    SWARM_INVARIANT(count == expected, "every microbatch counts exactly once at every stage");
  }
}

}  // namespace swarm::training
