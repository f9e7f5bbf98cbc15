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

coordinator::coordinator(caf::actor_config& cfg, coordinator_options options)
    : full_coordinator::base(cfg),
      options_(std::move(options)),
      election_(options_.id, to_seconds(options_.election_timeout)),
      crew_(options_.stages),
      divergence_(options_.uniform_loss),
      version_(options_.first_step),
      target_(options_.target),
      copies_({options_.keep_every, to_seconds(options_.custody_wait),
               to_seconds(options_.custody_patience)}),
      disks_(options_.stages) {}

// A terminated actor lives on until nobody holds it, so whom it holds must go now.
void coordinator::on_exit() {
  options_ = {};
  crew_.clear();
  for (auto& caller : callers_)
    caller.reply.deliver(caf::make_error(caf::sec::request_receiver_down));
  callers_.clear();
  movers_.clear();
}

coordinator::behavior_type coordinator::make_behavior() {
  send(options_.directory, wire::subscribe_atom::value, caf::actor_cast<caf::actor>(ctrl()));
  if (options_.first) {
    election_.lead(options_.term);
    // Nobody can have granted anything before.
    leads_since_ = rebalancing::seconds{now()} - options_.desk.grant_lifetime;
  }
  announce();
  delayed_send(this, std::min(options_.lease_timeout, options_.election_timeout) / 4,
               tick_atom::value);
  copies_.begin(version_);
  if (election_.leading()) begin_step(step_ledger::beginning::fresh);
  return {[this](const wire::lease_done& m) { on_lease_done(m); },
          [this](const wire::move_request& m) { return on_move_request(m); },
          [](const wire::beat&) {},
          [this](const wire::roster_update& m) { on_roster(m); },
          [this](advance_atom, int64_t target) { return on_advance(step_id{target}); },
          [this](gather_atom, uint64_t which) {
            for (const auto& [stage, waited] : std::map<stage_id, uint64_t>{gather_later_})
              if (waited == which) gather(stage);
            progress();
          },
          [this](lease_atom) { progress(); },
          [this](tick_atom) { on_tick(); },
          [this](retake_atom, uint64_t generation) {
            if (taking_over_ && generation == generation_) take_over();
          },
          [this](copies_atom, int64_t version, int64_t pause_ms) {
            ask_custody(step_id{version}, std::chrono::milliseconds{pause_ms});
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
  if (!election_.leading() || !dropped_.insert(id).second) return;
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
  self.state = election_.leading() ? wire::member_state::serving : wire::member_state::joining;
  self.version = version_.value();
  self.term = election_.highest().value();
  self.handle = caf::actor_cast<caf::actor>(ctrl());
  announced_version_ = version_;
  send(options_.directory, wire::announce_atom::value, self);
}

void coordinator::on_roster(const wire::roster_update& update) {
  for (const auto& id : update.gone) {
    election_.gone(id, now());
    const auto place = crew_.places().find(id);
    if (place != crew_.places().end() && moving_.count(id.peer) == 0)
      report_dropped(id, place->second.at.stage,
                     "it has left the stage or is not reached any more");
    dropped_.erase(id);
    crew_.remove_place(id);
    if (desk_) desk_->gone(id);
    custody_.erase(id);
    forget(id);
    // It never answers.
    inventory_known(id);
    restore_answered(id, generation_);
  }
  for (const auto& m : update.changed) {
    if (m.role == wire::member_role::coordinator) {
      on_candidate(m);
      continue;
    }
    if (m.role == wire::member_role::stage_worker && m.state != wire::member_state::serving)
      forget(m.id);
    if (m.role == wire::member_role::stage_worker) tell_desk(m);
    if (!crew_.add(m)) continue;
    last_came_ = now();
    if (taking_over_ && !rescuing_) ask_standing(m.id);
    // It came back, or is late: perhaps it only lacks the last commit.
    if (election_.leading()) send_commit(m.id);
    gather_too(m);
  }
  look_for_moved();
  decide();
  progress();
  answer_callers();
}

void coordinator::on_candidate(const wire::member& m) {
  const bool leads = m.state == wire::member_state::serving;
  election_.announced(m.id, term_id{m.term}, leads, now());
  if (!leads || election_.leading() || !(version_ < step_id{m.version})) return;
  version_ = step_id{m.version};
  ran_ = true;
}

void coordinator::forget(worker_id id) {
  uncommitted_.erase(id);
  owed_.erase(id);
  asked_.erase(id);
  standings_.erase(id);
  crew_.remove_follower(id);
  if (crew_.remove_trainer(id) && ledger_) ledger_->trainer_lost(id);
  if (crew_.remove_worker(id) && ledger_) ledger_->worker_lost(id);
  succeed_if_known();
}

void coordinator::on_tick() {
  delayed_send(this, std::min(options_.lease_timeout, options_.election_timeout) / 4,
               tick_atom::value);
  decide();
  if (election_.leading() && announced_version_ != version_) announce();
  if (election_.leading() && !planted(planted_bug::commit_not_repeated))
    for (const auto& id : std::set<worker_id>{owed_})
      send_commit(id);
  if (election_.leading() && !taking_over_) check_copies();
  const bool trains = election_.leading() && !taking_over_ && !divergence_.diverged();
  if (trains && options_.settle.count() > 0 && !ran_ && !ledger_)
    begin_step(step_ledger::beginning::fresh);
  // What has not begun cannot be lost.
  if (trains && !settling()) {
    const auto unready = crew_.unready_stage(version_, given_up_, uncommitted_);
    if (unready && rescue_if_due(unready)) return;
  }
  if (ledger_ && ledger_->expire(now(), to_seconds(options_.lease_timeout)) > 0) progress();
}

// -- office -------------------------------------------------------------------------------------

void coordinator::decide() {
  switch (election_.decide(now())) {
    case election::verdict::none:
      return;
    case election::verdict::lead:
      leads_since_ = rebalancing::seconds{now()};
      report("coordinator_leads", {{"term", static_cast<int64_t>(election_.term().value())}});
      announce();
      return take_over();
    case election::verdict::stand_down:
      return stand_down();
  }
}

void coordinator::stand_down() {
  report("coordinator_stands_down", {{"step", version_.value()}});
  drop_step();
  taking_over_ = rescuing_ = false;
  stuck_since_.reset();
  desk_.reset();
  answer_movers();
  ++generation_;
  announce();
}

void coordinator::drop_step() {
  ledger_.reset();
  gather_later_.clear();
  uncommitted_.clear();
}

caf::result<int64_t> coordinator::on_advance(step_id target) {
  if (divergence_.diverged()) return make_error(errc::diverged, divergence_.sentence());
  if (target < options_.first_step || (election_.leading() && target < version_))
    return make_error(errc::bad_target);
  auto reply = make_response_promise<caf::typed_response_promise<int64_t>>();
  callers_.push_back({target, reply});
  const bool idle = election_.leading() && !ledger_ && !taking_over_;
  target_ = std::max(target_, target);
  answer_callers();
  if (idle) begin_step(step_ledger::beginning::fresh);
  return reply;
}

void coordinator::answer_callers() {
  for (auto it = callers_.begin(); it != callers_.end();) {
    if (version_ < it->target || taking_over_ || !uncommitted_.empty()) {
      ++it;
      continue;
    }
    it->reply.deliver(version_.value());
    it = callers_.erase(it);
  }
}

void coordinator::overtaken(term_id term, step_id version) {
  if (!election_.leading()) return;
  election_.seen(term);
  decide();
  // The other side of a healed partition has more commits: it wins.
  if (election_.leading() && version_ < version && given_up_ < version && !taking_over_) {
    report("overtaken", {{"step", version_.value()}, {"version", version.value()}});
    take_over();
  }
}

void coordinator::overtaken(const caf::error& why) {
  const auto refusal = wire::refusal_of(why);
  if (!refusal || refusal->fault()) return;
  const auto body = refusal->read();
  overtaken(term_id{body->getTerm()}, step_id{body->getVersion()});
}

/// Asks everybody where they stand. From their answer on they obey nobody below this term.
void coordinator::take_over() {
  drop_step();
  taking_over_ = true;
  rescuing_ = false;
  ++generation_;
  asked_.clear();
  standings_.clear();
  if (planted(planted_bug::take_over_without_asking)) {
    taking_over_ = false;
    return begin_step(step_ledger::beginning::fresh);
  }
  for (const auto& [id, w] : crew_.workers())
    asked_.insert(id);
  for (const auto& [id, w] : crew_.workers())
    ask_standing(id);
  succeed_if_known();
}

void coordinator::ask_standing(worker_id id) {
  asked_.insert(id);
  const auto wanted = [this, generation = generation_] {
    return taking_over_ && generation == generation_;
  };
  ask<wire::standing>(id, take_over_of(election_.term()), options_.gather_timeout, wanted,
                      [=](const wire::standing* reply, const caf::error* error) {
                        if (!wanted()) return;
                        asked_.erase(id);
                        auto answer = reply != nullptr ? read_standing(*reply, options_.stages)
                                                       : std::nullopt;
                        if (answer && answer->first == id) standings_[id] = answer->second;
                        if (error != nullptr) overtaken(*error);
                        if (wanted()) succeed_if_known();
                      });
}

void coordinator::succeed_if_known() {
  if (!taking_over_ || rescuing_ || !asked_.empty()) return;
  const auto plan = succeed(standings_, options_.stages, options_.microbatches);
  switch (plan.what) {
    case succession::verdict::begin:
      taking_over_ = false;
      ++generation_;
      stuck_since_.reset();
      version_ = plan.version;
      copies_.begin(version_);
      for (const auto& [id, s] : standings_)
        crew_.stands(id, s.version);
      report("coordinator_took_over", {{"step", version_.value()}});
      if (!ran_ && options_.first_step < version_)
        report("resumed",
               {{"step", version_.value()},
                {"detail", "the run resumes at step " + std::to_string(version_.value())}});
      adopt_commit(plan);
      return begin_step(step_ledger::beginning::adopted);
    case succession::verdict::finish:
      return finish(plan, step_id{plan.version.value() - 1}, plan.scale);
    case succession::verdict::commit: {
      const double whole = dropped_scale_of(options_.microbatches, plan.counted);
      const double norm_squared = plan.squared_norm * whole * whole;
      return finish(plan, plan.version,
                    whole * tensors::clip_factor(options_.optimizer, norm_squared));
    }
    case succession::verdict::behind:
    case succession::verdict::wait:
      report(plan.what == succession::verdict::wait ? "stage_empty" : "stage_behind",
             {{"step", plan.version.value()}, {"stage", int64_t{plan.stage->value()}}});
      if (!rescue_if_due(plan.stage)) retake_later();
      return;
  }
}

/// The commit that made this version becomes ours to repeat.
void coordinator::adopt_commit(const succession& plan) {
  last_orders_.clear();
  weights_hashes_.clear();
  owed_.clear();
  for (const auto& [stage, attempt] : plan.made_by)
    last_orders_[stage] = commit_of(election_.term(), step_id{version_.value() - 1}, attempt,
                                    plan.scale, plan.counted);
  for (const auto& [id, attempt] : plan.lagging)
    send_commit(id);
}

/// Ends the predecessor's commit, then asks again where everybody stands.
void coordinator::finish(const succession& plan, step_id step, double scale) {
  report("commit_finished",
         {{"step", step.value()}, {"workers", static_cast<int64_t>(plan.lagging.size())}});
  const auto generation = ++generation_;
  standings_.clear();
  asked_.clear();
  const auto wanted = [this, generation] { return taking_over_ && generation == generation_; };
  const auto left = std::make_shared<size_t>(plan.lagging.size());
  for (const auto& [id, attempt] : plan.lagging) {
    const auto order = commit_of(election_.term(), step, attempt, scale, plan.counted);
    ask<wire::committed>(id, order, options_.gather_timeout, wanted,
                         [=](const wire::committed*, const caf::error*) {
                           if (wanted() && --*left == 0) take_over();
                         });
  }
  // One that dies meanwhile never answers.
  delayed_send(this, options_.gather_timeout, retake_atom::value, generation);
}

void coordinator::retake_later() {
  standings_.clear();
  delayed_send(this, options_.empty_stage_retry, retake_atom::value, ++generation_);
}

coordinator_actor spawn_coordinator(caf::actor_system& system, coordinator_options options) {
  return system.spawn<coordinator>(std::move(options));
}

}  // namespace swarm::training
