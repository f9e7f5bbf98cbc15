#include <algorithm>
#include <cmath>

#include "actors/planted_bug.hpp"
#include "actors/training/coordinator_state.hpp"
#include "actors/training/orders.hpp"
#include "actors/wire/refusal.hpp"

namespace swarm::training {

namespace {

/// Where whoever refuses stands; below all versions if it does not say.
step_id version_in(const caf::error& error) {
  const auto refusal = wire::refusal_of(error);
  return refusal && !refusal->fault() ? step_id{refusal->read()->getVersion()} : step_id{-1};
}

}  // namespace

// -- leases -------------------------------------------------------------------------------------

bool coordinator::settling() {
  const auto quiet = std::chrono::duration<double>(options_.settle).count();
  return !ran_ && quiet > 0 && version_ == options_.first_step &&
         (!crew_.unready_stages(weights(), {}).empty() || now_s() - last_came_ < quiet);
}

void coordinator::begin_step(step_ledger::beginning how) {
  ledger_.reset();
  answer_movers();
  if (divergence_.diverged()) return announce();
  if (!(version_ < target_)) {
    announce();
    return answer_callers();
  }
  if (how == step_ledger::beginning::fresh && settling()) return;
  if (how == step_ledger::beginning::fresh && copies_.hold(version_, now_s())) return announce();
  ledger_ = std::make_unique<step_ledger>(version_, options_.microbatches, options_.stages, how);
  ran_ = true;
  started_ = now_s();
  retries_ = recomputed_ = 0;
  failed_reduces_.clear();
  reducing_.clear();
  gather_later_.clear();
  excluded_ = crew_.diverged_workers();
  const auto begin = begin_step_of(leased_in(), history_, options_.microbatches);
  for (const auto& [id, t] : crew_.trainers())
    send(t.handle, begin);
  progress();
}

/// Leases what waits, closes a stage's round when nothing is left to wait for there, and commits
/// when every stage has reduced.
void coordinator::progress() {
  if (!ledger_) return;
  if (ledger_->committable()) return commit();
  for (stage_id s{0}; s.value() < options_.stages; s = s.next())
    revise(s);
  for (stage_id s{0}; ledger_ && s.value() < options_.stages; s = s.next()) {
    if (ledger_->wants_gather(s)) gather(s);
    if (ledger_ && ledger_->gathered(s) && gather_later_.count(s) == 0) reconcile(s);
  }
  if (ledger_) lease_out();
}

void coordinator::lease_out() {
  // In turns, so that none gets the whole batch, nor again what it has let expire.
  const auto& trainers = crew_.trainers();
  std::map<std::pair<worker_id, round_id>, std::vector<lease_item>> out;
  bool given = true;
  auto turn = last_leased_;
  while (given && ledger_->waiting()) {
    given = false;
    for (size_t left = trainers.size(); left > 0; --left) {
      auto next = trainers.upper_bound(turn);
      if (next == trainers.end()) next = trainers.begin();
      turn = next->first;
      if (ledger_->leased_to(turn) >= next->second.capacity || is_paused(turn)) continue;
      auto item = ledger_->lease(turn, now_s());
      if (!item) continue;
      // A share is computed in the round that is being reduced.
      const auto round = item->share ? ledger_->round(item->share->stage) : ledger_->round();
      out[{turn, round}].push_back(*item);
      last_leased_ = turn;
      given = true;
    }
  }
  for (const auto& [to, items] : out)
    send(trainers.at(to.first).handle, lease_of(leased_in(to.second), history_, items, excluded_));
}

/// Who gives a lease back at once would get it again at once.
void coordinator::pause(worker_id trainer) {
  const auto pause = options_.empty_stage_retry / 4;
  paused_until_[trainer] = now_s() + std::chrono::duration<double>(pause).count();
  delayed_send(self(), pause, lease_atom::value);
}

bool coordinator::is_paused(worker_id trainer) {
  // The timer that ends the pause may fire a rounding error before it.
  constexpr double soon_s = 1e-3;
  const auto found = paused_until_.find(trainer);
  return found != paused_until_.end() && found->second - now_s() > soon_s;
}

void coordinator::on_lease_done(const wire::lease_done& m) {
  if (m.fault() || !ledger_) return;
  const auto done = m.read();
  if (term_id{done->getTerm()} != election_.term() || step_id{done->getStep()} != version_) return;
  ledger_->answered_by(done->getItem(), done->getStages(), wire::from_wire(done->getWorker()));
  if (done->getOutcome() == schemas::LeaseDone::Outcome::PROGRESSED) {
    ledger_->progressed(done->getItem(), done->getStages(), now_s());
    return progress();
  }
  if (done->getOutcome() > schemas::LeaseDone::Outcome::RETURNED) return;
  const auto outcome = static_cast<lease_outcome>(done->getOutcome());
  const auto trainer = ledger_->trainer_of(done->getItem());
  const auto share = ledger_->share_of(done->getItem());
  if (!ledger_->settle(done->getItem(), outcome, done->getLoss())) return;
  if (share && outcome == lease_outcome::done) watches_.at(share->stage).share_computed(now_s());
  retries_ += done->getRetries();
  recomputed_ += done->getRecomputed();
  if (outcome != lease_outcome::done)
    report("lease_failed",
           {{"step", version_.value()},
            {"microbatch", done->getMicrobatch()},
            {"outcome",
             std::string{outcome == lease_outcome::non_finite ? "non_finite" : "returned"}}});
  if (outcome == lease_outcome::returned && trainer) pause(*trainer);
  overtaken(term_id{done->getSeenTerm()},
            {history_id{done->getSeenHistory()}, step_id{done->getSeenVersion()}});
  progress();
}

// -- gather, reconcile --------------------------------------------------------------------------

/// Whoever is left out learns at the commit that it has to fetch.
void coordinator::gather(stage_id stage) {
  gather_later_.erase(stage);
  reducing_.erase(stage);
  if (!ledger_) return;
  const auto failed = failed_reduces_[stage];
  const auto asked = crew_.participants(stage, failed >= failed_reduces_max,
                                        failed - std::min(failed, failed_reduces_max));
  ledger_->open_gather(stage, asked);
  for (const auto& [id, w] : crew_.workers()) {
    if (w.stage != stage) continue;
    if (asked.count(id) == 0) {
      excluded_.insert(id);
    } else {
      excluded_.erase(id);
    }
  }
  for (const auto& id : asked)
    ask_holding(id, order_to(stage));
}

void coordinator::ask_holding(worker_id id, const stage_order& to) {
  ask<wire::holding>(
      id, gather_of(to.when, history_), options_.gather_timeout, [=] { return is_current(to); },
      [=](const wire::holding* reply, const caf::error* error) {
        if (error != nullptr) return lost(id, to, error);
        on_holding(id, to, *reply);
      });
}

void coordinator::gather_too(const wire::member& m) {
  if (!ledger_ || step_id{m.version} != version_ || gather_later_.count(m.stage) != 0 ||
      failed_reduces_[m.stage] >= failed_reduces_max || !ledger_->ask_too(m.id, m.stage))
    return;
  excluded_.erase(m.id);
  ask_holding(m.id, order_to(m.stage));
}

coordinator::stage_order coordinator::order_to(stage_id stage) const {
  return {stage, {election_.term(), version_, ledger_->round(stage)}};
}

/// An answer to an older round is no news.
bool coordinator::is_current(const stage_order& order) const {
  return ledger_ && order.when.term == election_.term() && order.when.step == version_ &&
         order.when.round == ledger_->round(order.stage);
}

void coordinator::on_holding(worker_id id, const stage_order& to, const wire::holding& m) {
  if (!is_current(to)) return;
  if (!is_from(id, to.when, m)) return lost(id, to);
  crew_.stands(id, weights());
  dropped_.erase(id);
  const auto held = m.read()->getHeld();
  if (!ledger_->report(id, to.when.round, {held.begin(), held.end()})) return lost(id, to);
  progress();
}

/// A worker did not do its part of this round.
void coordinator::lost(worker_id id, const stage_order& to, const caf::error* why) {
  if (!is_current(to)) return;
  leave_out(id, why);
  progress();
}

void coordinator::leave_out(worker_id id, const caf::error* why) {
  ledger_->worker_lost(id);
  excluded_.insert(id);
  report_worker("worker_silent", id);
  const auto* who = crew_.find(id);
  if (who != nullptr && why != nullptr && was_lost(*why))
    report_dropped(id, who->stage, "it does not answer");
  if (why != nullptr) {
    if (wire::refusal_reason(*why) == schemas::Refusal::Reason::BEHIND &&
        !has_refused_commit(id, version_in(*why)))
      send_commit(id);
    overtaken(*why);
  }
}

void coordinator::reconcile(stage_id stage) {
  const auto closed = order_to(stage);
  switch (ledger_->reconcile(stage)) {
    case stage_round::verdict::clean:
      return reduce(stage);
    case stage_round::verdict::empty:
      report("stage_empty", {{"step", version_.value()}, {"stage", int64_t{stage.value()}}});
      if (rescue_if_due(crew_.unready_stages(weights(), uncommitted_))) return;
      gather_later_[stage] = ++gathers_later_;
      delayed_send(self(), options_.empty_stage_retry, gather_atom::value, gathers_later_);
      return;
    case stage_round::verdict::rework:
      report("rework", {{"step", version_.value()},
                        {"stage", int64_t{stage.value()}},
                        {"round", int64_t{closed.when.round.value()}},
                        {"items", static_cast<int64_t>(ledger_->reworked())}});
      drop(closed);
      return progress();
  }
}

/// The stage is not leased for until these sums are gone.
void coordinator::drop(const stage_order& closed) {
  const auto order = drop_of(closed.when);
  for (const auto& id : std::vector<worker_id>{ledger_->to_drop(closed.stage)}) {
    const auto waits = [this, id, closed] {
      if (!is_current(closed)) return false;
      const auto& ids = ledger_->to_drop(closed.stage);
      return std::find(ids.begin(), ids.end(), id) != ids.end();
    };
    if (crew_.find(id) == nullptr) {
      ledger_->forgot(id);
      continue;
    }
    ask<wire::holding>(id, order, options_.gather_timeout, waits,
                       [this, id, waits](const wire::holding*, const caf::error*) {
                         if (!waits()) return;
                         ledger_->forgot(id);
                         progress();
                       });
  }
}

// -- commit -------------------------------------------------------------------------------------

bool coordinator::still_trains(double norm_squared) {
  divergence::observation seen;
  seen.step = version_;
  seen.microbatches = ledger_->microbatches();
  seen.counted = ledger_->counted();
  seen.loss = ledger_->mean_loss();
  seen.gradient_norm = std::sqrt(norm_squared);
  return !divergence_.observe(seen);
}

/// Nothing of this step is applied: the workers stay where they are, and so do the copies.
void coordinator::end_diverged() {
  const auto sentence = divergence_.sentence();
  report("diverged", {{"step", version_.value()}, {"detail", sentence}});
  drop_step();
  announce();
  for (auto& caller : callers_)
    caller.reply.deliver(make_error(errc::diverged, sentence));
  callers_.clear();
}

void coordinator::commit() {
  const double norm_squared = ledger_->squared_norm();
  if (!still_trains(norm_squared)) return end_diverged();
  const double scale =
      ledger_->dropped_scale() * tensors::clip_factor(options_.optimizer, norm_squared);
  // Copies of a step that looks bad would replace those of the last good one.
  const bool keeps = !divergence_.suspects() && copies_.make(version_.next(), now_s());
  last_orders_.clear();
  for (stage_id s{0}; s.value() < options_.stages; s = s.next())
    last_orders_[s] = commit_of(election_.term(), weights(),
                                {{election_.term(), ledger_->round(s)}, ledger_->result(s).hash},
                                scale, ledger_->counted(), keeps, disks_.everywhere());
  hashes_.begin();
  uncommitted_.clear();
  owed_.clear();
  refused_commit_.clear();
  report_step(norm_squared);
  report_disks();
  version_ = version_.next();
  // Everybody is told: whoever was not in a group learns here that it has to fetch.
  for (const auto& [id, w] : crew_.workers())
    send_commit(id);
  for (const auto& [id, w] : crew_.followers())
    request(w.handle, options_.reduce_timeout, last_orders_.at(w.stage))
        .then([](const wire::committed&) {}, [](caf::error&) {});
  if (keeps) {
    backups_.clear();
    delayed_send(self(), backup_first_pause, copies_atom::value, version_.value(),
                 int64_t{backup_first_pause.count()});
  }
  answer_callers();
  begin_step(step_ledger::beginning::fresh);
}

/// It does not have the sum, and stands where it stood. Asked again and again it would never count
/// as one that cannot go on, and its stage never be rescued: 1. it was away, and the others of its
/// stage that had the sum died; 2. it serves at the version before; 3. each gather finds it behind.
bool coordinator::has_refused_commit(worker_id id, step_id stands) const {
  const auto found = refused_commit_.find(id);
  return found != refused_commit_.end() && found->second == stands;
}

/// The last commit; repeats do no harm.
void coordinator::send_commit(worker_id id) {
  const auto* who = crew_.find(id);
  const auto order = who == nullptr ? last_orders_.end() : last_orders_.find(who->stage);
  if (order == last_orders_.end()) return;
  const auto when = wire::step_round_of(*order->second.read());
  if (when.term != election_.term() || when.step.next() != version_) return;
  uncommitted_.insert(id);
  owed_.erase(id);
  hashes_.asked(id, who->stage);
  const auto wanted = [this, id, version = version_] {
    return version == version_ && uncommitted_.count(id) != 0 &&
           !planted(planted_bug::commit_not_repeated);
  };
  ask<wire::committed>(
      id, order->second, options_.reduce_timeout, wanted,
      [this, id, version = version_](const wire::committed* reply, const caf::error* error) {
        if (version != version_) return;
        if (reply != nullptr && !reply->fault()) {
          on_committed(id, version, *reply);
        } else {
          hashes_.silent(id);
          if (error == nullptr || was_lost(*error)) {
            owed_.insert(id);
          } else {
            refused_commit_[id] = version_in(*error);
          }
        }
        uncommitted_.erase(id);
        compare_hashes();
        answer_callers();
      });
}

void coordinator::on_committed(worker_id id, step_id version, const wire::committed& m) {
  const auto* who = crew_.find(id);
  if (who == nullptr) return;
  const auto body = m.read();
  const bool good =
      wire::from_wire(body->getWorker()) == id && step_id{body->getVersion()} == version;
  crew_.stands(id, {history_, version});
  if (!good) {
    hashes_.silent(id);
    return diverged(id);
  }
  disks_.told(who->stage, body->getKept(), version);
  hashes_.said(id, body->getWeightsHash().cStr());
}

void coordinator::compare_hashes() {
  for (const auto& id : hashes_.take_diverged())
    diverged(id);
}

/// It has no part in any sum until it has fetched.
void coordinator::diverged(worker_id id) {
  report_worker("worker_diverged", id);
  if (const auto* who = crew_.find(id))
    report_dropped(id, who->stage, "its weights are not those of its stage");
  if (!crew_.diverged(id)) return;
  excluded_.insert(id);
  if (ledger_) ledger_->worker_lost(id);
  progress();
}

void coordinator::report_disks() {
  const auto verdict = disks_.check(version_);
  if (verdict == disks::verdict::none) return;
  report(verdict == disks::verdict::withdrawn ? "promise_withdrawn" : "promise_regained",
         {{"step", version_.value()},
          {"stage", int64_t{disks_.last().value()}},
          {"detail", disks_.sentence()}});
}

void coordinator::report_step(double norm_squared) {
  std::vector<int64_t> per_stage(static_cast<size_t>(options_.stages), 0);
  for (const auto& [id, w] : crew_.workers())
    ++per_stage[static_cast<size_t>(w.stage.value())];
  std::string workers;
  for (int64_t count : per_stage)
    workers += (workers.empty() ? "" : "/") + std::to_string(count);
  std::vector<telemetry::field> fields{
      {"step", version_.value()},
      {"term", static_cast<int64_t>(election_.term().value())},
      {"grad_norm", std::sqrt(norm_squared)},
      {"lr", tensors::learning_rate(options_.optimizer, version_.value())},
      {"seconds", now_s() - started_},
      {"tokens", options_.microbatches * options_.tokens_per_microbatch},
      {"rounds", int64_t{ledger_->gathers()}},
      {"reworked", static_cast<int64_t>(ledger_->reworked())},
      {"dropped", static_cast<int64_t>(ledger_->dropped().size())},
      {"retries", retries_},
      {"recomputed", recomputed_},
      {"workers", workers}};
  // A loss that nobody knows is not zero.
  if (const auto loss = ledger_->mean_loss()) fields.push_back({"loss", *loss});
  report("step", std::move(fields));
}

}  // namespace swarm::training
