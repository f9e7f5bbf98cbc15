#include "actors/training/step_ledger.hpp"

#include <algorithm>
#include <cmath>

#include "actors/invariant.hpp"
#include "actors/planted_bug.hpp"

namespace swarm::training {

namespace {

uint64_t bit_of(stage_id stage) {
  return uint64_t{1} << stage.value();
}

}  // namespace

step_ledger::step_ledger(step_id step, int64_t microbatches, int32_t stages, beginning how)
    : step_(step), microbatches_(microbatches), book_(stages) {
  SWARM_INVARIANT(microbatches > 0 && microbatches <= microbatches_max, "a step has microbatches");
  SWARM_INVARIANT(stages > 0 && stages <= stages_max, "a lease names at most 64 stages");
  rounds_.assign(static_cast<size_t>(stages), stage_round{microbatches});
  to_drop_.resize(static_cast<size_t>(stages));
  for (stage_id s{0}; s.value() < stages && how == beginning::adopted; s = s.next())
    unseen_.insert(s);
  const uint64_t all = stages == stages_max ? ~uint64_t{0} : (uint64_t{1} << stages) - 1;
  for (int64_t i = 0; i < microbatches && how == beginning::fresh; ++i)
    book_.add(microbatch_id{i}, all, 1, {});
}

// -- leases ---------------------------------------------------------------------------------------

std::optional<lease_item> step_ledger::lease(worker_id trainer, double now_seconds) {
  if (!unseen_.empty()) return std::nullopt;
  uint64_t held_back = 0;
  for (size_t s = 0; s < to_drop_.size(); ++s)
    if (!to_drop_[s].empty()) held_back |= uint64_t{1} << s;
  return book_.lease(trainer, now_seconds, held_back);
}

std::optional<worker_id> step_ledger::trainer_of(uint32_t item) const {
  const auto* found = book_.find(item);
  if (found == nullptr) return std::nullopt;
  return found->trainer;
}

std::optional<share_of_loss> step_ledger::share_of(uint32_t item) const {
  const auto* found = book_.find(item);
  return found == nullptr ? std::nullopt : found->item.share;
}

void step_ledger::drop(microbatch_id microbatch) {
  if (!dropped_.insert(microbatch).second) return;
  for (auto& round : rounds_)
    if (round.holds(microbatch)) round.reopen();
}

bool step_ledger::settle(uint32_t item, lease_outcome outcome, double loss) {
  const auto* found = book_.find(item);
  if (found == nullptr) return false;
  const lease_item what = found->item;
  const worker_id trainer = found->trainer;
  if (what.share) {
    settle_share(what, outcome, trainer);
    return true;
  }
  if (what.weight < 0) {
    const auto at_stage = stage_of_.find(what.target);
    if (outcome != lease_outcome::done && at_stage != stage_of_.end())
      at(at_stage->second).cannot_undo(what.target);
    book_.settle(item, outcome == lease_outcome::done ? std::optional{trainer} : std::nullopt);
    return true;
  }
  switch (outcome) {
    case lease_outcome::done:
      // A replay of single stages need not pass the loss; the first answer stands.
      if (std::isfinite(loss)) losses_.emplace(what.microbatch.value(), loss);
      book_.settle(item, trainer);
      break;
    case lease_outcome::non_finite:
      if (++non_finite_[what.microbatch] < non_finite_max) {
        book_.again(item, false);
      } else {
        book_.settle(item, std::nullopt);
        drop(what.microbatch);
      }
      break;
    case lease_outcome::returned:
      book_.again(item, true);
      break;
  }
  return true;
}

/// What is in some parts already cannot be dropped from others: then the round begins again.
void step_ledger::settle_share(const lease_item& what, lease_outcome outcome, worker_id trainer) {
  auto& round = at(what.share->stage);
  switch (outcome) {
    case lease_outcome::done:
      return book_.settle(what.item, trainer);
    case lease_outcome::non_finite:
      round.reopen();
      break;
    case lease_outcome::returned:
      if (++share_returns_[*what.share] > share_returns_max) round.reopen();
      break;
  }
  if (round.failed()) return book_.withdraw_shares(what.share->stage);
  book_.again(what.item, true);
}

void step_ledger::answered_by(uint32_t item, uint64_t stages, worker_id worker) {
  const auto* found = book_.find(item);
  if (found == nullptr || found->item.share || found->item.weight <= 0) return;
  for (stage_id s{0}; s.value() < this->stages(); s = s.next())
    if ((stages & found->item.stages & bit_of(s)) != 0)
      held_by_[worker].emplace(s, found->item.microbatch);
}

void step_ledger::recompute(worker_id gone) {
  const auto held = held_by_.extract(gone);
  if (held.empty()) return;
  for (const auto& [stage, microbatch] : held.mapped()) {
    if (at(stage).now() != stage_round::phase::computing || dropped_.count(microbatch) != 0)
      continue;
    book_.add(microbatch, bit_of(stage), 1, {});
    ++reworked_;
  }
}

void step_ledger::progressed(uint32_t item, uint64_t stages, double now_seconds) {
  book_.renew(item, now_seconds);
  for (stage_id s{0}; s.value() < this->stages(); s = s.next())
    if ((stages & bit_of(s)) != 0) book_.stage_done(item, s);
}

// -- gather ---------------------------------------------------------------------------------------

bool step_ledger::wants_gather(stage_id stage) const {
  const auto& round = at(stage);
  if (round.now() == stage_round::phase::computing)
    return book_.settled(stage) && to_drop(stage).empty();
  return round.failed();
}

void step_ledger::open_gather(stage_id stage, const std::set<worker_id>& workers) {
  auto& round = at(stage);
  SWARM_INVARIANT(round.now() != stage_round::phase::computing || book_.settled(stage),
                  "gather closes a settled round");
  book_.check_balance();
  book_.withdraw_shares(stage);
  share_returns_.erase(share_returns_.lower_bound({stage, 0, 0}),
                       share_returns_.lower_bound({stage.next(), 0, 0}));
  if (round_ <= round.round()) round_ = round.round().next();
  round.open_gather(round_, workers);
  for (const auto& worker : workers)
    stage_of_[worker] = stage;
}

bool step_ledger::ask_too(worker_id worker, stage_id stage) {
  if (!at(stage).ask_too(worker)) return false;
  stage_of_[worker] = stage;
  return true;
}

bool step_ledger::report(worker_id worker, round_id round, const std::vector<uint8_t>& held) {
  const auto found = stage_of_.find(worker);
  return found == stage_of_.end() || at(found->second).report(worker, round, held);
}

void step_ledger::forgot(worker_id worker) {
  for (auto& dropping : to_drop_)
    dropping.erase(std::remove(dropping.begin(), dropping.end(), worker), dropping.end());
}

void step_ledger::worker_lost(worker_id worker) {
  // Nobody can make a dead worker give anything up, and nobody needs to.
  book_.target_lost(worker);
  forgot(worker);
  book_.helper_lost(worker);
  const auto found = stage_of_.find(worker);
  if (found == stage_of_.end()) return;
  auto& round = at(found->second);
  round.lost(worker);
  for (const auto& task : round.take_tasks())
    if (round.now() == stage_round::phase::reducing && !round.failed())
      book_.add_for_share(task.microbatch, {found->second, task.member, task.share}, task.helper);
}

stage_round::verdict step_ledger::reconcile(stage_id stage) {
  auto& round = at(stage);
  const auto found = round.reconcile(dropped_);
  unseen_.erase(stage);
  if (found.what != stage_round::verdict::rework) return found.what;
  // What is leased from here on must not be taken for something of the round that is closed.
  if (round_ <= round.round()) round_ = round.round().next();
  const size_t before = book_.waiting_items();
  for (const auto& [worker, microbatches] : found.to_undo)
    for (int64_t m : microbatches) {
      held_by_[worker].erase({stage, microbatch_id{m}});
      book_.add(microbatch_id{m}, bit_of(stage), -1, worker);
    }
  for (const auto& worker : found.to_drop)
    held_by_.erase(worker);
  for (int64_t m : found.lacking)
    book_.add(microbatch_id{m}, bit_of(stage), 1, {});
  to_drop_[static_cast<size_t>(stage.value())] = found.to_drop;
  reworked_ += book_.waiting_items() - before;
  return found.what;
}

// -- reduce and commit
// ------------------------------------------------------------------------------

bool step_ledger::reduced(worker_id worker, round_id round, const std::string& hash,
                          double squared_norm) {
  const auto found = stage_of_.find(worker);
  return found == stage_of_.end() || at(found->second).reduced(worker, round, {hash, squared_norm});
}

bool step_ledger::committable() const {
  const auto has_reduced = [](const stage_round& round) {
    return round.now() == stage_round::phase::reduced && !round.failed();
  };
  if (planted(planted_bug::commit_before_all_reduced))
    return std::any_of(rounds_.begin(), rounds_.end(), has_reduced);
  const bool all = std::all_of(rounds_.begin(), rounds_.end(), has_reduced);
  if (all) check_law();
  return all;
}

void step_ledger::check_law() const {
  for (const auto& round : rounds_)
    round.check_law(dropped_);
}

double step_ledger::squared_norm() const {
  double total = 0;
  for (const auto& round : rounds_) {
    total += round.result().squared_norm;
    if (planted(planted_bug::clip_of_one_stage)) break;
  }
  return total * dropped_scale() * dropped_scale();
}

double dropped_scale_of(int64_t microbatches, int64_t counted) {
  return counted > 0 ? static_cast<double>(microbatches) / static_cast<double>(counted) : 0.0;
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

uint32_t step_ledger::gathers() const {
  uint32_t most = 0;
  for (const auto& round : rounds_)
    most = std::max(most, round.gathers());
  return most;
}

}  // namespace swarm::training
