#include "actors/training/coordinator.hpp"

#include "actors/planted_bug.hpp"
#include "actors/training/coordinator_state.hpp"
#include "actors/training/orders.hpp"
#include "actors/wire/refusal.hpp"

namespace swarm::training {

namespace {

double to_seconds(std::chrono::milliseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

coordinator::coordinator(pointer self, coordinator_options options)
    : actor_body(self),
      options_(std::move(options)),
      election_(options_.id, to_seconds(options_.election_timeout)),
      crew_(options_.stages),
      divergence_(options_.uniform_loss),
      version_(options_.first_step),
      target_(options_.target),
      stuck_(to_seconds(options_.rescue_after)),
      restoring_(to_seconds(options_.gather_timeout)),
      copies_({options_.keep_every, to_seconds(options_.backup_wait),
               to_seconds(options_.backup_patience)}),
      disks_(options_.stages) {
  for (stage_id s{0}; s.value() < options_.stages; s = s.next())
    watches_.emplace(s, reduce_watch{to_seconds(options_.reduce_timeout)});
}

coordinator::~coordinator() {
  for (auto& caller : callers_)
    caller.reply.deliver(caf::make_error(caf::sec::request_receiver_down));
  for (auto& mover : movers_)
    mover.reply.deliver(caf::make_error(caf::sec::request_receiver_down));
}

coordinator::behavior_type coordinator::make_behavior() {
  send(options_.directory, wire::subscribe_atom::value, caf::actor_cast<caf::actor>(ctrl()));
  if (options_.first) {
    office_.on(office_event::appointed);
    election_.lead(options_.term);
    // Nobody can have granted anything before.
    leads_since_ = rebalancing::seconds{now_s()} - options_.arbiter.grant_lifetime;
  }
  announce();
  delayed_send(self(), std::min(options_.lease_timeout, options_.election_timeout) / 4,
               tick_atom::value);
  copies_.begin(version_, version_ == step_id{0});
  if (office_.is(duty::leading)) begin_step(step_ledger::beginning::fresh);
  return {[this](const wire::lease_done& m) { on_lease_done(m); },
          [this](const wire::move_request& m) { return on_move_request(m); },
          [this](const wire::beat& m) { on_beat(m); },
          [this](const wire::roster_update& m) { on_roster(m); },
          [this](advance_atom, int64_t target) { return on_advance(step_id{target}); },
          [this](gather_atom, uint64_t which) {
            for (const auto& [stage, waited] : std::map<stage_id, uint64_t>{gather_later_})
              if (waited == which) gather(stage);
            progress();
          },
          [this](lease_atom) { progress(); },
          [this](tick_atom) { on_tick(); },
          [this](restore_atom, worker_id id, uint64_t generation) { send_restore(id, generation); },
          [this](retake_atom, uint64_t generation) { patience_over(generation); },
          [this](copies_atom, int64_t version, int64_t pause_ms) {
            ask_backups(step_id{version}, std::chrono::milliseconds{pause_ms});
          }};
}

void coordinator::report(const char* what, std::vector<telemetry::field> fields) {
  if (!options_.telemetry) return;
  caf::anon_send(options_.telemetry, telemetry::event{what, std::move(fields)});
}

void coordinator::report_worker(const char* what, worker_id id) {
  report(what, {{"step", version_.value()}, {"peer", static_cast<int64_t>(id.peer.value())}});
}

void coordinator::report_dropped(worker_id id, stage_id stage, const std::string& why) {
  if (!office_.in_office() || !dropped_.insert(id).second) return;
  report("peer_dropped",
         {{"step", version_.value()},
          {"stage", int64_t{stage.value()}},
          {"peer", static_cast<int64_t>(id.peer.value())},
          {"detail", "stage " + std::to_string(stage.value()) + " is without peer " +
                         std::to_string(id.peer.value()) + " from step " +
                         std::to_string(version_.value()) + " on: " + why}});
}

// -- who is there -------------------------------------------------------------------------------

void coordinator::announce() {
  wire::member self;
  self.role = wire::member_role::coordinator;
  self.id = options_.id;
  self.state = office_.in_office() ? wire::member_state::serving : wire::member_state::joining;
  self.version = version_.value();
  self.history = history_.value();
  self.term = election_.highest().value();
  self.handle = caf::actor_cast<caf::actor>(ctrl());
  announced_version_ = version_;
  announced_term_ = election_.highest();
  send(options_.directory, wire::announce_atom::value, self);
}

void coordinator::on_roster(const wire::roster_update& update) {
  for (const auto& id : update.gone) {
    election_.gone(id, now_s());
    candidates_.erase(id);
    const auto place = crew_.places().find(id);
    if (place != crew_.places().end() && moving_.count(id.peer) == 0)
      report_dropped(id, place->second.at.stage,
                     "it has left the stage or is not reached any more");
    dropped_.erase(id);
    // Who fetches and comes back where it stood can carry the commit out no more than before.
    refused_commit_.erase(id);
    crew_.remove_place(id);
    if (arbiter_) arbiter_->gone(id);
    if (inquiry_) inquiry_->failed(id);
    backups_.erase(id);
    forget(id);
    // It never answers.
    settled(id, office_.generation());
  }
  for (const auto& m : update.changed) {
    if (m.role == wire::member_role::coordinator) {
      on_candidate(m);
      continue;
    }
    if (m.role == wire::member_role::stage_worker && m.state != wire::member_state::serving)
      forget(m.id);
    if (m.role == wire::member_role::stage_worker) tell_arbiter(m);
    if (!crew_.add(m)) continue;
    last_came_ = now_s();
    knew_workers_ = true;
    if (office_.is(duty::taking_over)) ask_position(m.id);
    if (office_.on(office_event::newcomer)) take_over();
    // It came back, or is late: perhaps it only lacks the last commit.
    if (office_.in_office() && !has_refused_commit(m.id, step_id{m.version})) send_commit(m.id);
    gather_too(m);
  }
  if (ledger_)
    for (const auto& m : update.changed)
      if (m.role == wire::member_role::stage_worker) reduce_too(m);
  look_for_moved();
  decide();
  progress();
  answer_callers();
}

void coordinator::on_candidate(const wire::member& m) {
  const bool leads = m.state == wire::member_state::serving;
  if (m.id == options_.id) return;
  candidates_[m.id] = caf::actor_cast<wire::coordinator_inbox>(m.handle);
  election_.announced(m.id, term_id{m.term}, leads, now_s());
  if (!leads || office_.in_office() || term_id{m.term} < followed_term_) return;
  // A run that went back stands at an earlier version than it did.
  followed_term_ = term_id{m.term};
  version_ = step_id{m.version};
  history_ = history_id{m.history};
  ran_ = true;
}

void coordinator::forget(worker_id id) {
  uncommitted_.erase(id);
  owed_.erase(id);
  positions_.erase(id);
  unrestored_before_.erase(id);
  crew_.remove_follower(id);
  hashes_.silent(id);
  paused_until_.erase(id);
  if (crew_.remove_trainer(id) && ledger_) ledger_->trainer_lost(id);
  const auto* who = crew_.find(id);
  const auto stage = who == nullptr ? stage_id{0} : who->stage;
  if (crew_.remove_worker(id) && ledger_) {
    ledger_->worker_lost(id);
    // Of a stage without anybody it is the gather that finds out and waits.
    if (!crew_.participants(stage, false, 0).empty()) ledger_->recompute(id);
  }
  if (office_.is(duty::taking_over) || office_.is(duty::finishing))
    settled(id, office_.generation());
}

void coordinator::on_tick() {
  delayed_send(self(), std::min(options_.lease_timeout, options_.election_timeout) / 4,
               tick_atom::value);
  decide();
  beat();
  if (office_.in_office() && announced_version_ != version_) announce();
  if (office_.in_office() && !planted(planted_bug::commit_not_repeated))
    for (const auto& id : std::set<worker_id>{owed_})
      send_commit(id);
  if (office_.is(duty::leading)) check_copies();
  const bool trains = office_.is(duty::leading) && !divergence_.diverged();
  if (trains && options_.settle.count() > 0 && !ran_ && !ledger_)
    begin_step(step_ledger::beginning::fresh);
  // What has not begun cannot be lost.
  if (trains && !settling() && rescue_if_due(crew_.unready_stages(weights(), uncommitted_))) return;
  watch_reduces();
  if (ledger_ && ledger_->expire(now_s(), to_seconds(options_.lease_timeout)) > 0) progress();
}

caf::result<int64_t> coordinator::on_advance(step_id target) {
  if (divergence_.diverged()) return make_error(errc::diverged, divergence_.sentence());
  if (target < options_.first_step || (office_.in_office() && target < version_))
    return make_error(errc::bad_target);
  auto reply = make_response_promise<caf::typed_response_promise<int64_t>>();
  callers_.push_back({target, reply});
  const bool idle = office_.is(duty::leading) && !ledger_;
  target_ = std::max(target_, target);
  answer_callers();
  if (idle) begin_step(step_ledger::beginning::fresh);
  return reply;
}

void coordinator::answer_callers() {
  const bool unsure = office_.in_office() && !office_.is(duty::leading);
  if (unsure || !uncommitted_.empty()) return;
  for (auto it = callers_.begin(); it != callers_.end();) {
    if (version_ < it->target) {
      ++it;
      continue;
    }
    it->reply.deliver(version_.value());
    it = callers_.erase(it);
  }
}

coordinator_actor spawn_coordinator(caf::actor_system& system, coordinator_options options) {
  return system.spawn<embodied<coordinator>>(std::move(options));
}

}  // namespace swarm::training
