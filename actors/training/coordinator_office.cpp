#include "actors/planted_bug.hpp"
#include "actors/training/coordinator_state.hpp"
#include "actors/training/orders.hpp"
#include "actors/wire/refusal.hpp"

namespace swarm::training {

// -- who leads ----------------------------------------------------------------------------------

void coordinator::decide() {
  switch (election_.decide(now_s())) {
    case election::verdict::none:
      return;
    case election::verdict::ask:
      if (office_.on(office_event::leader_silent)) ask_votes();
      return;
    case election::verdict::stand_down:
      return stand_down();
  }
}

/// To whoever asks for it before a take-over, and to who would ask.
void coordinator::beat() {
  if (!office_.in_office()) return;
  const auto message = beat_of(election_.term());
  // In nobody's name: an error that answers a message that was not asked for would end this actor.
  for (const auto& [id, place] : crew_.places())
    caf::anon_send(place.at.handle, message);
  for (const auto& [id, handle] : candidates_)
    caf::anon_send(handle, message);
}

void coordinator::on_beat(const wire::beat& m) {
  if (m.fault()) return;
  const term_id term{m.read()->getTerm()};
  election_.heard(term, now_s());
  // Elected by workers who have forgotten, or never knew, what this candidate does: it has to hear
  // of the higher term and take another, or this one would never follow it.
  if (term < election_.highest() && announced_term_ < election_.highest()) announce();
  decide();
}

void coordinator::ask_votes() {
  votes_ = {};
  const auto generation = office_.generation();
  const auto order = pre_vote_of(options_.election_timeout);
  for (const auto& [id, place] : crew_.places()) {
    office_.expect(id);
    request(place.at.handle, std::min(options_.gather_timeout, options_.election_timeout), order)
        .then(
            [=, id = id](const wire::vote& m) {
              if (!m.fault() && office_.generation() == generation && office_.expects(id)) {
                m.read()->getGranted() ? votes_.granted() : votes_.denied();
                election_.seen(term_id{m.read()->getTerm()});
              }
              settled(id, generation);
            },
            [=, id = id](caf::error&) { settled(id, generation); });
  }
  go_on_if_settled();
}

void coordinator::count_votes() {
  // A leader may have come while the answers did.
  if (election_.leader_heard(now_s()) || !votes_.won(!knew_workers_)) {
    office_.on(office_event::denied);
    return election_.denied(now_s());
  }
  office_.on(office_event::elected);
  take_term();
  leads_since_ = rebalancing::seconds{now_s()};
  report("coordinator_leads", {{"term", static_cast<int64_t>(election_.term().value())}});
  take_over();
}

void coordinator::take_term() {
  election_.lead(term_above(election_.highest(), options_.id));
  announce();
  beat();
}

void coordinator::stand_down() {
  if (!office_.on(office_event::deposed)) return;
  report("coordinator_stands_down", {{"step", version_.value()}});
  drop_step();
  stuck_.clear();
  inquiry_.reset();
  arbiter_.reset();
  answer_movers();
  announce();
}

void coordinator::drop_step() {
  ledger_.reset();
  reducing_.clear();
  gather_later_.clear();
  uncommitted_.clear();
}

void coordinator::overtaken(term_id term, weights_id seen) {
  if (!office_.in_office()) return;
  election_.seen(term);
  decide();
  // The other side of a healed partition has a later history, or more commits of the same: it wins.
  // In a new term, since within one no step may begin twice: items and rounds would be counted
  // anew, and what was leased before would answer for them.
  if (!(weights() < seen) || !office_.is(duty::leading)) return;
  report("overtaken", {{"step", version_.value()}, {"version", seen.version.value()}});
  office_.on(office_event::overtaken);
  take_term();
  take_over();
}

void coordinator::overtaken(const caf::error& why) {
  const auto refusal = wire::refusal_of(why);
  if (!refusal || refusal->fault()) return;
  const auto body = refusal->read();
  overtaken(term_id{body->getTerm()},
            {history_id{body->getHistory()}, step_id{body->getVersion()}});
}

// -- whose answers are waited for ---------------------------------------------------------------

void coordinator::settled(worker_id id, uint64_t generation) {
  if (office_.settled(id, generation)) go_on_if_settled();
}

void coordinator::go_on_if_settled() {
  if (!office_.all_settled()) return;
  switch (office_.now()) {
    case duty::asking:
      return count_votes();
    case duty::taking_over:
      return succeed();
    case duty::finishing:
      office_.on(office_event::finished);
      return take_over();
    case duty::taking_stock:
      return carry_out_rescue();
    case duty::restoring:
      office_.on(office_event::restored);
      return take_over();
    case duty::standing_by:
    case duty::waiting:
    case duty::leading:
    case duty::moving:
      return;
  }
}

void coordinator::patience_over(uint64_t generation) {
  if (generation != office_.generation()) return;
  const bool moved = office_.is(duty::moving);
  if (!office_.on(office_event::patience_over)) return;
  moved ? take_inventory() : take_over();
}

// -- take-over ----------------------------------------------------------------------------------

/// Asks everybody where they stand. From their answer on they obey nobody below this term.
void coordinator::take_over() {
  drop_step();
  positions_.clear();
  if (planted(planted_bug::take_over_without_asking)) {
    office_.on(office_event::level);
    return begin_step(step_ledger::beginning::fresh);
  }
  for (const auto& [id, w] : crew_.workers())
    ask_position(id);
  go_on_if_settled();
}

void coordinator::ask_position(worker_id id) {
  office_.expect(id);
  const auto generation = office_.generation();
  const auto wanted = [=] { return office_.generation() == generation && office_.expects(id); };
  ask<wire::position>(id, take_over_of(election_.term()), options_.gather_timeout, wanted,
                      [=](const wire::position* reply, const caf::error* error) {
                        if (!wanted()) return;
                        auto answer = reply != nullptr ? read_position(*reply, options_.stages)
                                                       : std::nullopt;
                        if (answer && answer->first == id) positions_[id] = answer->second;
                        if (error != nullptr) overtaken(*error);
                        settled(id, generation);
                      });
}

void coordinator::succeed() {
  const auto plan = training::succeed(positions_, options_.stages, options_.microbatches);
  switch (plan.what) {
    case succession::verdict::begin:
      return begin(plan);
    case succession::verdict::finish:
      return finish(plan, plan.weights.previous(), plan.scale);
    case succession::verdict::commit: {
      const double whole = dropped_scale_of(options_.microbatches, plan.counted);
      const double norm_squared = plan.squared_norm * whole * whole;
      return finish(plan, plan.weights,
                    whole * tensors::clip_factor(options_.optimizer, norm_squared));
    }
    case succession::verdict::behind:
    case succession::verdict::wait: {
      report(plan.what == succession::verdict::wait ? "stage_empty" : "stage_behind",
             {{"step", plan.weights.version.value()}, {"stage", int64_t{plan.stage->value()}}});
      office_.on(office_event::unready);
      std::set<stage_id> unready{*plan.stage};
      if (plan.what == succession::verdict::wait)
        unready = stages_without(positions_, options_.stages);
      if (!rescue_if_due(unready)) retake_later();
      return;
    }
  }
}

void coordinator::begin(const succession& plan) {
  office_.on(office_event::level);
  stuck_.clear();
  version_ = plan.weights.version;
  history_ = plan.weights.history;
  copies_.begin(version_, went_back_to_ == plan.weights);
  for (const auto& [id, s] : positions_)
    crew_.stands(id, s.weights);
  report("coordinator_took_over", {{"step", version_.value()}});
  if (!ran_ && options_.first_step < version_)
    report("resumed", {{"step", version_.value()},
                       {"detail", "the run resumes at step " + std::to_string(version_.value())}});
  adopt_commit(plan);
  begin_step(step_ledger::beginning::adopted);
}

/// The commit that made this version becomes ours to repeat.
void coordinator::adopt_commit(const succession& plan) {
  last_orders_.clear();
  hashes_.begin();
  owed_.clear();
  for (const auto& [stage, sum] : plan.made_by)
    last_orders_[stage] =
        commit_of(election_.term(), weights().previous(), sum, plan.scale, plan.counted);
  for (const auto& [id, sum] : plan.lagging)
    send_commit(id);
}

/// Ends the predecessor's commit, then asks again where everybody stands.
void coordinator::finish(const succession& plan, weights_id from, double scale) {
  report("commit_finished",
         {{"step", from.version.value()}, {"workers", static_cast<int64_t>(plan.lagging.size())}});
  office_.on(office_event::unfinished);
  const auto generation = office_.generation();
  for (const auto& [id, sum] : plan.lagging) {
    office_.expect(id);
    const auto order = commit_of(election_.term(), from, sum, scale, plan.counted);
    const auto wanted = [=, id = id] {
      return office_.generation() == generation && office_.expects(id);
    };
    ask<wire::committed>(
        id, order, options_.gather_timeout, wanted,
        [=, id = id](const wire::committed*, const caf::error*) { settled(id, generation); });
  }
  // One that dies unseen never answers.
  delayed_send(self(), options_.gather_timeout, retake_atom::value, generation);
}

void coordinator::retake_later() {
  delayed_send(self(), options_.empty_stage_retry, retake_atom::value, office_.generation());
}

}  // namespace swarm::training
