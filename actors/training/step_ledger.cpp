#include "actors/training/step_ledger.hpp"

#include <algorithm>
#include <cmath>

#include "actors/invariant.hpp"
#include "actors/planted_bug.hpp"

namespace swarm::training {

step_ledger::step_ledger(step_id step, int64_t microbatches, int32_t stages, beginning how)
    : step_(step), microbatches_(microbatches), stages_(stages) {
  SWARM_INVARIANT(microbatches > 0 && microbatches <= microbatches_max, "a step has microbatches");
  SWARM_INVARIANT(stages > 0 && stages <= stages_max, "a lease names at most 64 stages");
  for (int64_t i = 0; i < microbatches && how == beginning::fresh; ++i)
    enqueue(microbatch_id{i}, all_stages(), 1, {});
}

uint64_t step_ledger::all_stages() const {
  return stages_ == stages_max ? ~uint64_t{0} : (uint64_t{1} << stages_) - 1;
}

void step_ledger::enqueue(microbatch_id microbatch, uint64_t stages, int weight, worker_id target) {
  const auto done_by = done_by_.find(microbatch);
  auto& queue = done_by == done_by_.end() ? queue_ : reserved_[done_by->second];
  queue.push_back({next_item_++, microbatch, stages, weight, target});
}

/// Null: nothing waits for it.
std::deque<lease_item>* step_ledger::queue_for(worker_id trainer) {
  const auto own = reserved_.find(trainer);
  if (own != reserved_.end()) return &own->second;
  return queue_.empty() ? nullptr : &queue_;
}

std::optional<lease_item> step_ledger::lease(worker_id trainer, double now_seconds) {
  auto* queue = phase_ == phase::computing ? queue_for(trainer) : nullptr;
  if (queue == nullptr) return std::nullopt;
  const lease_item item = queue->front();
  queue->pop_front();
  if (queue->empty() && queue != &queue_) reserved_.erase(trainer);
  leased_[item.item] = {item, trainer, now_seconds};
  return item;
}

bool step_ledger::settle(uint32_t item, lease_outcome outcome, double loss) {
  const auto found = leased_.find(item);
  if (found == leased_.end()) return false;
  const lease_item what = found->second.item;
  const worker_id trainer = found->second.trainer;
  leased_.erase(found);
  ++settled_items_;
  if (outcome == lease_outcome::done) {
    done_by_[what.microbatch] = trainer;
  } else {
    done_by_.erase(what.microbatch);
  }
  if (what.weight < 0) {
    if (outcome != lease_outcome::done) cannot_undo_.insert(what.target);
    return true;
  }
  switch (outcome) {
    case lease_outcome::done:
      // A replay of single stages need not pass the loss; the first answer stands.
      if (std::isfinite(loss)) losses_.emplace(what.microbatch.value(), loss);
      break;
    case lease_outcome::non_finite:
      if (++non_finite_[what.microbatch] < non_finite_max) {
        --settled_items_;
        queue_.push_back(what);
      } else {
        dropped_.insert(what.microbatch);
      }
      break;
    case lease_outcome::returned:
      --settled_items_;
      queue_.push_front(what);
      break;
  }
  return true;
}

/// What it may have saved is no reason to wait for it.
void step_ledger::not_preferred(worker_id trainer) {
  for (auto it = done_by_.begin(); it != done_by_.end();)
    it = it->second == trainer ? done_by_.erase(it) : std::next(it);
  const auto waiting = reserved_.find(trainer);
  if (waiting == reserved_.end()) return;
  queue_.insert(queue_.end(), waiting->second.begin(), waiting->second.end());
  reserved_.erase(waiting);
}

void step_ledger::trainer_lost(worker_id trainer) {
  not_preferred(trainer);
  for (auto it = leased_.begin(); it != leased_.end();) {
    if (it->second.trainer != trainer) {
      ++it;
      continue;
    }
    if (!planted(planted_bug::lease_lost_with_its_trainer)) queue_.push_back(it->second.item);
    it = leased_.erase(it);
  }
}

size_t step_ledger::expire(double now_seconds, double age_seconds) {
  size_t count = 0;
  std::set<worker_id> silent;
  for (auto it = leased_.begin(); it != leased_.end();) {
    if (now_seconds - it->second.since_seconds < age_seconds) {
      ++it;
      continue;
    }
    if (!planted(planted_bug::lease_expiry_forgotten)) queue_.push_back(it->second.item);
    silent.insert(it->second.trainer);
    it = leased_.erase(it);
    ++count;
  }
  for (const auto& trainer : silent)
    not_preferred(trainer);
  return count;
}

size_t step_ledger::leased_to(worker_id trainer) const {
  return static_cast<size_t>(std::count_if(leased_.begin(), leased_.end(), [&](const auto& entry) {
    return entry.second.trainer == trainer;
  }));
}

size_t step_ledger::waiting_items() const {
  size_t count = queue_.size();
  for (const auto& [trainer, items] : reserved_)
    count += items.size();
  return count;
}

/// Leased = settled + given up + in flight.
void step_ledger::check_balance() const {
  SWARM_INVARIANT(settled_items_ + waiting_items() + leased_.size() == next_item_,
                  "every item is waiting, leased or settled");
}

void step_ledger::open_gather(const std::map<worker_id, stage_id>& workers) {
  check_balance();
  SWARM_INVARIANT(phase_ == phase::computing ? settled() : true, "gather closes a settled round");
  if (phase_ != phase::computing) round_ = round_.next();
  phase_ = phase::gathering;
  asked_ = workers;
  awaited_.clear();
  for (const auto& [worker, stage] : workers)
    awaited_.insert(worker);
  holders_.clear();
  results_.clear();
  to_drop_.clear();
  reduce_failed_ = false;
}

bool step_ledger::ask_too(worker_id worker, stage_id stage) {
  if (phase_ != phase::gathering || !asked_.emplace(worker, stage).second) return false;
  awaited_.insert(worker);
  return true;
}

bool step_ledger::report(worker_id worker, round_id round, const std::vector<uint8_t>& held) {
  if (phase_ != phase::gathering || round != round_ || awaited_.count(worker) == 0) return true;
  for (size_t byte = static_cast<size_t>(microbatches_ / 8); byte < held.size(); ++byte) {
    const bool shared = byte == static_cast<size_t>(microbatches_ / 8);
    if ((shared ? held[byte] >> (microbatches_ % 8) : held[byte]) != 0) return false;
  }
  awaited_.erase(worker);
  holders_[worker] = {asked_.at(worker), held};
  return true;
}

void step_ledger::worker_lost(worker_id worker) {
  awaited_.erase(worker);
  const bool member = holders_.erase(worker) != 0;
  if (phase_ == phase::reducing && member) reduce_failed_ = true;
  // Nobody can make a dead worker give anything up, and nobody needs to.
  const auto gone = [&](const lease_item& item) {
    return item.weight < 0 && item.target == worker;
  };
  const size_t before = waiting_items() + leased_.size();
  queue_.erase(std::remove_if(queue_.begin(), queue_.end(), gone), queue_.end());
  for (auto it = reserved_.begin(); it != reserved_.end();) {
    auto& items = it->second;
    items.erase(std::remove_if(items.begin(), items.end(), gone), items.end());
    it = items.empty() ? reserved_.erase(it) : std::next(it);
  }
  for (auto it = leased_.begin(); it != leased_.end();)
    it = gone(it->second.item) ? leased_.erase(it) : std::next(it);
  settled_items_ += before - waiting_items() - leased_.size();
}

bool step_ledger::holds(const holder& who, int64_t microbatch) {
  const auto byte = static_cast<size_t>(microbatch / 8);
  return byte < who.held.size() && (who.held[byte] >> (microbatch % 8) & 1) != 0;
}

std::vector<step_ledger::stage_holders> step_ledger::holders_by_stage() const {
  std::vector<stage_holders> result(static_cast<size_t>(stages_));
  for (const auto& [worker, who] : holders_)
    result[static_cast<size_t>(who.stage.value())].emplace_back(worker, &who);
  return result;
}

/// Undoing costs a backward per microbatch, forgetting costs one per microbatch that only this
/// worker holds.
void step_ledger::give_up(worker_id worker, const std::vector<int64_t>& extra,
                          std::vector<uint64_t>& lacking) {
  const holder& who = holders_.at(worker);
  std::vector<int64_t> rest;
  for (int64_t m = 0; m < microbatches_; ++m) {
    if (holds(who, m) && !std::binary_search(extra.begin(), extra.end(), m)) rest.push_back(m);
  }
  const uint64_t bit = uint64_t{1} << who.stage.value();
  if (extra.size() <= rest.size() && cannot_undo_.count(worker) == 0) {
    for (int64_t m : extra)
      enqueue(microbatch_id{m}, bit, -1, worker);
    return;
  }
  to_drop_.push_back(worker);
  for (int64_t m : rest)
    lacking[static_cast<size_t>(m)] |= bit;
}

step_ledger::verdict step_ledger::reconcile() {
  SWARM_INVARIANT(gathered(), "reconcile compares complete reports");
  const auto by_stage = holders_by_stage();
  for (const auto& holders : by_stage)
    if (holders.empty()) return verdict::stage_empty;
  std::vector<uint64_t> lacking(static_cast<size_t>(microbatches_), 0);
  for (int32_t s = 0; s < stages_; ++s) {
    std::map<worker_id, std::vector<int64_t>> extra;
    for (int64_t m = 0; m < microbatches_; ++m) {
      bool held = dropped_.count(microbatch_id{m}) != 0;
      for (const auto& [worker, who] : by_stage[static_cast<size_t>(s)]) {
        if (!holds(*who, m)) continue;
        if (held && !planted(planted_bug::extra_not_reconciled)) extra[worker].push_back(m);
        held = true;
      }
      if (!held && !planted(planted_bug::lacking_not_replayed))
        lacking[static_cast<size_t>(m)] |= uint64_t{1} << s;
    }
    for (const auto& [worker, microbatches] : extra)
      give_up(worker, microbatches, lacking);
  }
  for (int64_t m = 0; m < microbatches_; ++m) {
    const uint64_t stages = lacking[static_cast<size_t>(m)];
    if (stages != 0) enqueue(microbatch_id{m}, stages, 1, {});
  }
  if (!waiting() && to_drop_.empty()) {
    phase_ = phase::reducing;
    return verdict::clean;
  }
  reworked_ += waiting_items();
  round_ = round_.next();
  phase_ = phase::computing;
  return verdict::rework;
}

std::vector<std::vector<worker_id>> step_ledger::groups() const {
  std::vector<std::vector<worker_id>> result(static_cast<size_t>(stages_));
  for (const auto& [worker, who] : holders_)
    result[static_cast<size_t>(who.stage.value())].push_back(worker);
  return result;
}

bool step_ledger::reduced(worker_id worker, round_id round, const std::string& hash,
                          double squared_norm) {
  if (phase_ != phase::reducing || round != round_ || holders_.count(worker) == 0) return true;
  if (!std::isfinite(squared_norm)) {
    reduce_failed_ = true;
    return false;
  }
  const auto stage = holders_.at(worker).stage;
  for (const auto& [other, result] : results_) {
    if (holders_.at(other).stage != stage) continue;
    if (result.hash == hash && result.squared_norm == squared_norm) continue;
    if (planted(planted_bug::reduce_hash_not_compared)) continue;
    reduce_failed_ = true;
    return false;
  }
  results_[worker] = {hash, squared_norm};
  return true;
}

void step_ledger::check_law() const {
  if (planted(planted_bug::extra_not_reconciled) || planted(planted_bug::lacking_not_replayed))
    return;
  for (const auto& holders : holders_by_stage()) {
    for (int64_t m = 0; m < microbatches_; ++m) {
      const auto count = std::count_if(holders.begin(), holders.end(),
                                       [m](const auto& entry) { return holds(*entry.second, m); });
      const int64_t expected = dropped_.count(microbatch_id{m}) != 0 ? 0 : 1;
      SWARM_INVARIANT(count == expected, "every microbatch counts exactly once at every stage");
    }
  }
}

bool step_ledger::committable() {
  if (phase_ == phase::committable) return true;
  const bool all = results_.size() == holders_.size() ||
                   (planted(planted_bug::commit_before_all_reduced) && !results_.empty());
  if (phase_ != phase::reducing || reduce_failed_ || !all) return false;
  check_law();
  phase_ = phase::committable;
  return true;
}

double step_ledger::squared_norm() const {
  double total = 0;
  for (int32_t s = 0; s < stages_; ++s) {
    for (const auto& [worker, result] : results_) {
      if (holders_.at(worker).stage != stage_id{s}) continue;
      total += result.squared_norm;
      break;
    }
    if (planted(planted_bug::clip_of_one_stage)) break;
  }
  return total * dropped_scale() * dropped_scale();
}

double dropped_scale_of(int64_t microbatches, int64_t counted) {
  return counted > 0 ? static_cast<double>(microbatches) / static_cast<double>(counted) : 0.0;
}

double step_ledger::dropped_scale() const {
  return dropped_scale_of(microbatches_, counted());
}

std::optional<double> step_ledger::mean_loss() const {
  double sum = 0;
  int64_t count = 0;
  for (const auto& [microbatch, loss] : losses_) {
    if (dropped_.count(microbatch_id{microbatch}) != 0) continue;
    sum += loss;
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

}  // namespace swarm::training
