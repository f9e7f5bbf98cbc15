#include <cmath>

#include "actors/planted_bug.hpp"
#include "actors/training/coordinator_state.hpp"
#include "actors/training/orders.hpp"
#include "actors/wire/refusal.hpp"

namespace swarm::training {

// -- leases -------------------------------------------------------------------------------------

bool coordinator::settling() {
  const auto quiet = std::chrono::duration<double>(options_.settle).count();
  return !ran_ && quiet > 0 && version_ == options_.first_step &&
         (crew_.unready_stage(version_, given_up_, {}) || now() - last_came_ < quiet);
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
  if (how == step_ledger::beginning::fresh && copies_.hold(version_, now())) return announce();
  ledger_ = std::make_unique<step_ledger>(version_, options_.microbatches, options_.stages, how);
  ran_ = true;
  started_ = now();
  retries_ = recomputed_ = 0;
  failed_reduces_ = 0;
  gather_later_ = 0;
  dropping_.clear();
  excluded_ = crew_.diverged_workers();
  const auto begin = begin_step_of(current(), options_.microbatches);
  for (const auto& [id, t] : crew_.trainers())
    send(t.handle, begin);
  progress();
}

/// Leases what waits, and closes the round when nothing is left to wait for.
void coordinator::progress() {
  if (!ledger_) return;
  switch (ledger_->now()) {
    case step_ledger::phase::computing:
      if (dropping_.empty() && !lease_later_) lease_out();
      if (ledger_->settled() && dropping_.empty()) gather();
      break;
    case step_ledger::phase::gathering:
      if (ledger_->gathered() && gather_later_ == 0) reconcile();
      break;
    case step_ledger::phase::reducing:
      if (ledger_->reduce_failed()) gather();
      break;
    case step_ledger::phase::committable:
      break;
  }
}

void coordinator::lease_out() {
  // In turns, so that none gets the whole batch, nor again what it has let expire.
  const auto& trainers = crew_.trainers();
  std::map<worker_id, std::vector<lease_item>> out;
  bool given = true;
  auto turn = last_leased_;
  while (given && ledger_->waiting()) {
    given = false;
    for (size_t left = trainers.size(); left > 0; --left) {
      auto next = trainers.upper_bound(turn);
      if (next == trainers.end()) next = trainers.begin();
      turn = next->first;
      if (ledger_->leased_to(turn) >= next->second.capacity) continue;
      auto item = ledger_->lease(turn, now());
      if (!item) continue;
      out[turn].push_back(*item);
      last_leased_ = turn;
      given = true;
    }
  }
  for (const auto& [id, items] : out)
    send(trainers.at(id).handle, lease_of(current(), items, excluded_));
}

void coordinator::on_lease_done(const wire::lease_done& m) {
  if (m.fault() || !ledger_) return;
  const auto done = m.read();
  if (term_id{done->getTerm()} != election_.term() || step_id{done->getStep()} != version_) return;
  if (done->getOutcome() > schemas::LeaseDone::Outcome::RETURNED) return;
  const auto outcome = static_cast<lease_outcome>(done->getOutcome());
  if (!ledger_->settle(done->getItem(), outcome, done->getLoss())) return;
  retries_ += done->getRetries();
  recomputed_ += done->getRecomputed();
  if (outcome != lease_outcome::done)
    report("lease_failed",
           {{"step", version_.value()},
            {"microbatch", done->getMicrobatch()},
            {"outcome",
             std::string{outcome == lease_outcome::non_finite ? "non_finite" : "returned"}}});
  if (outcome == lease_outcome::returned && !lease_later_) {
    // Who gives a lease back at once would get it again at once.
    lease_later_ = true;
    delayed_send(this, options_.empty_stage_retry / 4, lease_atom::value);
  }
  overtaken(term_id{done->getSeenTerm()}, step_id{done->getSeenVersion()});
  progress();
}

// -- gather, reconcile --------------------------------------------------------------------------

/// Whoever is left out learns at the commit that it has to fetch.
void coordinator::gather() {
  gather_later_ = 0;
  if (!ledger_) return;
  const auto asked = crew_.participants(failed_reduces_ >= failed_reduces_max,
                                        failed_reduces_ - failed_reduces_max);
  ledger_->open_gather(asked);
  excluded_.clear();
  for (const auto& [id, w] : crew_.workers())
    if (asked.count(id) == 0) excluded_.insert(id);
  const auto when = current();
  for (const auto& [id, stage] : asked)
    ask_holding(id, when);
  progress();
}

void coordinator::ask_holding(worker_id id, wire::epoch when) {
  ask<wire::holding>(
      id, gather_of(when), options_.gather_timeout, [=] { return is_current(when); },
      [=](const wire::holding* reply, const caf::error* error) {
        if (error != nullptr) return lost(id, when, error);
        on_holding(id, when, *reply);
      });
}

void coordinator::gather_too(const wire::member& m) {
  if (!ledger_ || step_id{m.version} != version_ || gather_later_ != 0 ||
      failed_reduces_ >= failed_reduces_max || !ledger_->ask_too(m.id, m.stage))
    return;
  excluded_.erase(m.id);
  ask_holding(m.id, current());
}

/// An answer to an older round is no news.
bool coordinator::is_current(wire::epoch when) const {
  return ledger_ && when.term == election_.term() && when.step == version_ &&
         when.round == ledger_->round();
}

template <class Reply>
static bool is_from(worker_id id, wire::epoch when, const Reply& m) {
  if (m.fault()) return false;
  const auto body = m.read();
  return wire::from_wire(body->getWorker()) == id && step_id{body->getStep()} == when.step &&
         round_id{body->getRound()} == when.round;
}

void coordinator::on_holding(worker_id id, wire::epoch when, const wire::holding& m) {
  if (!is_current(when)) return;
  if (!is_from(id, when, m)) return lost(id, when);
  crew_.stands(id, version_);
  dropped_.erase(id);
  const auto held = m.read()->getHeld();
  if (!ledger_->report(id, when.round, {held.begin(), held.end()})) return lost(id, when);
  progress();
}

/// A worker did not do its part of this round.
void coordinator::lost(worker_id id, wire::epoch when, const caf::error* why) {
  if (!is_current(when)) return;
  ledger_->worker_lost(id);
  excluded_.insert(id);
  report_worker("worker_silent", id);
  const auto* who = crew_.find(id);
  if (who != nullptr && why != nullptr && was_lost(*why))
    report_dropped(id, who->stage, "it does not answer");
  if (why != nullptr) {
    if (wire::refusal_reason(*why) == schemas::Refusal::Reason::BEHIND) send_commit(id);
    if (!send_back(id, *why)) overtaken(*why);
  }
  progress();
}

void coordinator::reconcile() {
  const auto closed = current();
  switch (ledger_->reconcile()) {
    case step_ledger::verdict::clean:
      return reduce();
    case step_ledger::verdict::stage_empty:
      report("stage_empty", {{"step", version_.value()}});
      if (rescue_if_due(crew_.unready_stage(version_, given_up_, uncommitted_))) return;
      gather_later_ = ++gathers_later_;
      delayed_send(this, options_.empty_stage_retry, gather_atom::value, gather_later_);
      return;
    case step_ledger::verdict::rework:
      report("rework", {{"step", version_.value()},
                        {"round", int64_t{ledger_->round().value()}},
                        {"items", static_cast<int64_t>(ledger_->reworked())}});
      drop(closed);
      return progress();
  }
}

/// Leases of the new round wait until these sums are gone.
void coordinator::drop(wire::epoch closed) {
  const auto order = drop_of(closed);
  for (const auto& id : ledger_->to_drop()) {
    if (crew_.find(id) == nullptr) continue;
    dropping_.insert(id);
    ask<wire::holding>(
        id, order, options_.gather_timeout, [this, id] { return dropping_.count(id) != 0; },
        [this, id](const wire::holding*, const caf::error*) {
          if (dropping_.erase(id) != 0) progress();
        });
  }
}

// -- reduce, commit -----------------------------------------------------------------------------

void coordinator::reduce() {
  stuck_since_.reset();
  const auto groups = ledger_->groups();
  const auto when = current();
  for (size_t s = 0; s < groups.size(); ++s) {
    const stage_id stage{static_cast<int32_t>(s)};
    const auto followers = crew_.followers_of(stage);
    const auto order = reduce_of(when, stage, groups[s], followers, ledger_->counted());
    for (const auto& id : followers)
      request(crew_.followers().at(id).handle, options_.reduce_timeout, order)
          .then([](const wire::reduced&) {}, [](caf::error&) {});
    for (const auto& id : groups[s]) {
      if (crew_.find(id) == nullptr) return lost(id, when);
      ask<wire::reduced>(
          id, order, options_.reduce_timeout, [=] { return is_current(when); },
          [=](const wire::reduced* reply, const caf::error* error) {
            if (error == nullptr) return on_reduced(id, when, *reply);
            if (*error != caf::sec::request_receiver_down) reduce_failed(id, when);
            lost(id, when, error);
          });
    }
  }
}

void coordinator::on_reduced(worker_id id, wire::epoch when, const wire::reduced& m) {
  if (!is_current(when)) return;
  if (!is_from(id, when, m)) {
    reduce_failed(id, when);
    return lost(id, when);
  }
  const auto reduced = m.read();
  if (!ledger_->reduced(id, when.round, reduced->getHash().cStr(), reduced->getSquaredNorm()))
    reduce_failed(id, when);
  if (ledger_->committable()) return commit();
  progress();
}

/// Nobody can say whose fault a sum is that never came or that differs.
void coordinator::reduce_failed(worker_id id, wire::epoch when) {
  if (!is_current(when)) return;
  ++failed_reduces_;
  report_worker("reduce_failed", id);
}

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
  const attempt_id attempt{election_.term(), ledger_->round()};
  // Copies of a step that looks bad would replace those of the last good one.
  const bool keeps = !divergence_.suspects() && copies_.make(version_.next(), now());
  last_order_ = commit_of(election_.term(), version_, attempt, scale, ledger_->counted(), keeps,
                          disks_.everywhere());
  weights_hashes_.clear();
  uncommitted_.clear();
  owed_.clear();
  report_step(norm_squared);
  report_disks();
  version_ = version_.next();
  // Everybody is told: whoever was not in a group learns here that it has to fetch.
  for (const auto& [id, w] : crew_.workers())
    send_commit(id);
  for (const auto& [id, w] : crew_.followers())
    request(w.handle, options_.reduce_timeout, last_order_)
        .then([](const wire::committed&) {}, [](caf::error&) {});
  if (keeps) {
    custody_.clear();
    delayed_send(this, custody_first_pause, copies_atom::value, version_.value(),
                 int64_t{custody_first_pause.count()});
  }
  answer_callers();
  begin_step(step_ledger::beginning::fresh);
}

/// The last commit; repeats do no harm.
void coordinator::send_commit(worker_id id) {
  if (last_order_.fault() || crew_.find(id) == nullptr) return;
  const auto when = wire::epoch_of(*last_order_.read());
  if (when.term != election_.term() || when.step.next() != version_) return;
  uncommitted_.insert(id);
  owed_.erase(id);
  const auto wanted = [this, id, version = version_] {
    return version == version_ && uncommitted_.count(id) != 0 &&
           !planted(planted_bug::commit_not_repeated);
  };
  ask<wire::committed>(
      id, last_order_, options_.reduce_timeout, wanted,
      [this, id, version = version_](const wire::committed* reply, const caf::error* error) {
        if (version != version_) return;
        if (reply != nullptr && !reply->fault()) {
          on_committed(id, version, *reply);
        } else if (error == nullptr || was_lost(*error)) {
          owed_.insert(id);
        }
        uncommitted_.erase(id);
        answer_callers();
      });
}

/// Replicas of a stage at one version have one hash: the first that came.
void coordinator::on_committed(worker_id id, step_id version, const wire::committed& m) {
  const auto* who = crew_.find(id);
  if (who == nullptr) return;
  const auto body = m.read();
  bool good = wire::from_wire(body->getWorker()) == id && step_id{body->getVersion()} == version;
  auto& hash = weights_hashes_[who->stage];
  if (good && hash.empty()) hash = body->getWeightsHash().cStr();
  crew_.stands(id, version);
  if (good) disks_.told(who->stage, body->getKept(), version);
  if (!good || hash != body->getWeightsHash().cStr()) diverged(id);
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
      {"seconds", now() - started_},
      {"tokens", options_.microbatches * options_.tokens_per_microbatch},
      {"rounds", int64_t{ledger_->round().value()}},
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
