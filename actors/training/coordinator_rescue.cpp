#include <caf/sec.hpp>

#include "actors/limits.hpp"
#include "actors/planted_bug.hpp"
#include "actors/training/coordinator_state.hpp"
#include "actors/training/orders.hpp"
#include "actors/wire/refusal.hpp"

namespace swarm::training {

namespace {

/// Of a rescue: who is silent for so long has nothing to offer, or does not move.
constexpr std::chrono::milliseconds inventory_timeout{2'000};
/// Between two questions whether copies have arrived: from `backup_first_pause`, doubling.
constexpr std::chrono::milliseconds backup_longest_pause{640};
/// Who wants to move and waits for the end of the step; with more of them nobody waits.
constexpr size_t movers_max = 256;
/// Processes of other stages that are asked whether they see a stage that the leader does not see.
constexpr size_t witnesses_max = 2;

wire::move_answer move_answer_of(schemas::MoveAnswer::Verdict verdict, term_id term) {
  wire::builder<schemas::MoveAnswer> message;
  message->setTerm(term.value());
  message->setVerdict(verdict);
  return message.finish();
}

}  // namespace

bool coordinator::rescue_if_due(const std::set<stage_id>& unready) {
  if (options_.rescue_after.count() == 0 || planted(planted_bug::rescue_never_begins)) return false;
  stuck_.observe(unready, now_s());
  const auto stage = stuck_.due(now_s());
  if (!stage) return false;
  switch (inquire(*stage)) {
    case loss_inquiry::verdict::open:
      return false;
    case loss_inquiry::verdict::seen:
      report("stage_unseen", {{"step", version_.value()}, {"stage", int64_t{stage->value()}}});
      stuck_.restart(now_s());
      inquiry_.reset();
      return false;
    case loss_inquiry::verdict::lost:
      inquiry_.reset();
      return begin_rescue(*stage);
  }
  return false;
}

loss_inquiry::verdict coordinator::inquire(stage_id stage) {
  if (inquiry_ && inquiry_->stage() == stage) return inquiry_->now();
  std::set<worker_id> asked;
  std::set<stage_id> stages{stage};
  // Whoever is reached and cannot go on needs no witness.
  for (const auto& [id, w] : crew_.workers())
    if (w.stage == stage) return loss_inquiry::verdict::lost;
  for (const auto& [id, place] : crew_.places())
    if (place.replicator && asked.size() < witnesses_max && stages.insert(place.at.stage).second)
      asked.insert(id);
  inquiry_.emplace(stage, asked);
  const auto order = inventory_request_of(election_.term());
  for (const auto& id : asked)
    request(crew_.places().at(id).replicator, inventory_timeout, order)
        .then(
            [=](const wire::inventory& m) {
              if (!inquiry_ || inquiry_->stage() != stage) return;
              if (m.fault()) return inquiry_->failed(id);
              inquiry_->answered(id, m.read()->getSeen());
            },
            [=](caf::error&) {
              if (inquiry_ && inquiry_->stage() == stage) inquiry_->failed(id);
            });
  return inquiry_->now();
}

/// In a new term, so that no order of the history that is given up is obeyed any more.
bool coordinator::begin_rescue(stage_id stage) {
  if (!office_.on(office_event::stage_lost)) return false;
  take_term();
  drop_step();
  // Should this attempt come to nothing, the next one begins after the same time.
  stuck_.restart(now_s());
  lost_stage_ = stage;
  positions_.clear();
  report("rescue_begins",
         {{"step", version_.value()}, {"term", static_cast<int64_t>(election_.term().value())}});
  take_inventory();
  return true;
}

void coordinator::take_inventory() {
  const auto generation = office_.generation();
  moving_.clear();
  inventories_.clear();
  for (const auto& [id, place] : crew_.places())
    if (place.replicator) office_.expect(id);
  const auto timeout = std::min(options_.gather_timeout / calls_max, inventory_timeout);
  const auto order = inventory_request_of(election_.term());
  for (const auto& id : std::set<worker_id>{office_.awaited()})
    request(crew_.places().at(id).replicator, timeout, order)
        .then(
            [=](const wire::inventory& m) {
              if (generation != office_.generation()) return;
              read_inventory(id, m, inventories_);
              settled(id, generation);
            },
            [=](caf::error&) { settled(id, generation); });
  go_on_if_settled();
}

void coordinator::read_inventory(worker_id id, const wire::inventory& m,
                                 inventory_map& into) const {
  if (m.fault()) return;
  auto& kept = into[id];
  kept.clear();
  const auto items = m.read()->getItems();
  for (unsigned i = 0; i < items.size() && i < inventory_items_max; ++i)
    if (items[i].getStage() < static_cast<uint32_t>(options_.stages) && items[i].getVersion() >= 0)
      kept[stage_id{static_cast<int32_t>(items[i].getStage())}].insert(
          {history_id{items[i].getHistory()}, step_id{items[i].getVersion()}});
}

std::map<worker_id, stage_id> coordinator::places() const {
  std::map<worker_id, stage_id> result;
  for (const auto& [id, place] : crew_.places())
    result[id] = place.at.stage;
  return result;
}

// -- copies -------------------------------------------------------------------------------------

void coordinator::ask_backups(step_id version, std::chrono::milliseconds pause) {
  if (!office_.is(duty::leading) || copies_.pending() != version) return;
  delayed_send(self(), pause, copies_atom::value, version.value(),
               int64_t{std::min(2 * pause, backup_longest_pause).count()});
  const auto order = inventory_request_of(election_.term());
  for (const auto& [id, place] : crew_.places())
    if (place.replicator)
      request(place.replicator, inventory_timeout, order)
          .then(
              [=, id = id](const wire::inventory& m) {
                const auto at = crew_.places().find(id);
                if (copies_.pending() != version || at == crew_.places().end()) return;
                read_inventory(id, m, backups_);
                const weights_id made{history_, version};
                if (!is_backup(made, at->second.at.stage, backups_[id], options_.stages) ||
                    !backed_up(made, places(), backups_, options_.stages))
                  return;
                copies_.arrived(version_);
                copies_settled("copies_kept", version);
              },
              [](caf::error&) {});
}

void coordinator::check_copies() {
  const auto version = copies_.pending();
  switch (copies_.check(now_s(), version_)) {
    case copies::verdict::none:
      return;
    case copies::verdict::late:
      return copies_settled("copies_late", *version);
    case copies::verdict::given_up:
      return copies_settled("copies_missing", *version);
  }
}

void coordinator::copies_settled(const char* what, step_id version) {
  report(what, {{"version", version.value()}, {"step", version_.value()}});
  if (office_.is(duty::leading) && !ledger_) begin_step(step_ledger::beginning::fresh);
}

// -- rescue -------------------------------------------------------------------------------------

void coordinator::carry_out_rescue() {
  const auto plan = plan_rescue(places(), inventories_, options_.stages, unrestored_before_);
  switch (plan.what) {
    case rescue::verdict::restore:
      office_.on(office_event::can_restore);
      return restore(plan);
    case rescue::verdict::move:
      office_.on(office_event::can_move);
      move(plan);
      // Should one of them not get there.
      delayed_send(self(), inventory_timeout, retake_atom::value, office_.generation());
      return;
    case rescue::verdict::wait:
    case rescue::verdict::lost:
      // Every attempt comes to the same until somebody comes.
      if (told_ == plan.sentence()) break;
      told_ = plan.sentence();
      report(plan.what == rescue::verdict::wait ? "stage_needs_peer" : "stage_lost",
             {{"stage", int64_t{plan.stage->value()}}, {"detail", told_}});
      break;
  }
  office_.on(office_event::cannot);
  retake_later();
}

/// Who moves announces itself in the other stage.
void coordinator::move(const rescue& plan) {
  for (const auto& [id, stage] : plan.moves) {
    const auto& replicator = crew_.places().at(id).replicator;
    report("peer_moved",
           {{"peer", static_cast<int64_t>(id.peer.value())}, {"stage", int64_t{stage.value()}}});
    moving_.emplace(id.peer, stage);
    if (!replicator) continue;
    if (arbiter_) arbiter_->gone(id);
    request(replicator, options_.gather_timeout, move_order_of(election_.term(), stage))
        .then([](const wire::move_done&) {}, [](caf::error&) {});
  }
}

void coordinator::look_for_moved() {
  if (!office_.is(duty::moving)) return;
  for (const auto& [id, place] : crew_.places()) {
    const auto found = moving_.find(id.peer);
    if (found != moving_.end() && found->second == place.at.stage) moving_.erase(found);
  }
  if (moving_.empty() && office_.on(office_event::moved)) take_inventory();
}

void coordinator::restore(const rescue& plan) {
  // Whoever has only just begun to lead what is left of a run goes back from nowhere.
  const auto back_to = plan.weights.version;
  const bool resumes = version_ < back_to;
  report(resumes ? "resumed" : "rescued",
         {{"from", version_.value()},
          {"step", back_to.value()},
          {"stage", int64_t{lost_stage_ ? lost_stage_->value() : -1}},
          {"detail", resumes ? resumed_sentence(back_to)
                             : rescued_sentence(lost_stage_, version_, back_to)}});
  ran_ = true;
  told_.clear();
  disks_.back_to(back_to);
  version_ = back_to;
  history_ = history_id{election_.term().value()};
  went_back_to_ = weights_id{history_, version_};
  last_orders_.clear();
  owed_.clear();
  restore_orders_.clear();
  restoring_.begin();
  for (const auto& [id, place] : crew_.places()) {
    office_.expect(id);
    const auto holders = plan.holders.find(place.at.stage);
    restore_orders_.emplace(
        id, restore_of(election_.term(), plan.weights,
                       holders == plan.holders.end() ? std::vector<worker_id>{} : holders->second));
  }
  const auto generation = office_.generation();
  for (const auto& [id, order] : std::map<worker_id, wire::restore>{restore_orders_})
    send_restore(id, generation);
  go_on_if_settled();
}

/// Again and again, until the worker is back, says that it cannot, or gets on no more.
void coordinator::send_restore(worker_id id, uint64_t generation) {
  const auto order = restore_orders_.find(id);
  const auto place = crew_.places().find(id);
  if (office_.generation() != generation || !office_.expects(id)) return;
  if (order == restore_orders_.end() || place == crew_.places().end())
    return settled(id, generation);
  restoring_.sent(id, now_s());
  request(place->second.at.handle, options_.gather_timeout / calls_max, order->second)
      .then(
          [=](const wire::position&) {
            unrestored_before_.erase(id);
            settled(id, generation);
          },
          [=](caf::error& error) {
            if (office_.generation() != generation || !office_.expects(id)) return;
            if (!is_restoring(id, error)) return settled(id, generation);
            if (restoring_.hopeless(id, now_s())) {
              unrestored_before_.insert(id);
              return settled(id, generation);
            }
            delayed_send(self(), options_.gather_timeout / calls_max / 4, restore_atom::value, id,
                         generation);
          });
}

/// Silence may be a lost message; any other refusal is an answer.
bool coordinator::is_restoring(worker_id id, const caf::error& error) {
  if (was_lost(error)) return true;
  const auto refusal = wire::refusal_of(error);
  if (!refusal || refusal->fault() ||
      refusal->read()->getReason() != schemas::Refusal::Reason::RESTORING)
    return false;
  restoring_.heard(id, refusal->read()->getDoneBytes(), now_s());
  return true;
}

// -- moves that peers ask for ---------------------------------------------------------------------

caf::result<wire::move_answer> coordinator::on_move_request(const wire::move_request& m) {
  if (m.fault()) return wire::make_error(*m.fault());
  const auto body = m.read();
  auto reply = make_response_promise<caf::typed_response_promise<wire::move_answer>>();
  movers_.push_back(
      {{wire::from_wire(body->getWorker()), stage_id{static_cast<int32_t>(body->getFrom())},
        stage_id{static_cast<int32_t>(body->getTo())}},
       reply});
  // In the middle of a step what the worker holds would be lost.
  if (!ledger_ || movers_.size() > movers_max) answer_movers();
  return reply;
}

void coordinator::answer_movers() {
  if (movers_.empty()) return;
  if (office_.in_office() && !arbiter_) {
    arbiter_.emplace(options_.stages, leads_since_, options_.arbiter);
    for (const auto& [id, place] : crew_.places())
      arbiter_->seen(id, place.at.stage,
                     crew_.find(id) != nullptr ? rebalancing::worker_state::serving
                                               : rebalancing::worker_state::joining,
                     rebalancing::seconds{now_s()});
  }
  for (auto& [wish, reply] : std::exchange(movers_, {})) {
    if (!arbiter_) {
      reply.deliver(move_answer_of(schemas::MoveAnswer::Verdict::NOT_LEADING, election_.highest()));
      continue;
    }
    // Whoever the rescue itself sends elsewhere, the arbiter does not know of.
    if (!office_.is(duty::leading) && !planted(planted_bug::every_move_granted)) {
      reply.deliver(move_answer_of(schemas::MoveAnswer::Verdict::ARBITER_IS_NEW, election_.term()));
      continue;
    }
    const auto verdict = arbiter_->ask(wish, rebalancing::seconds{now_s()});
    const auto* why = planted(planted_bug::every_move_granted)
                          ? nullptr
                          : std::get_if<rebalancing::refusal_reason>(&verdict);
    if (why == nullptr)
      report("move_granted", {{"peer", static_cast<int64_t>(wish.who.peer.value())},
                              {"from", int64_t{wish.from.value()}},
                              {"to", int64_t{wish.to.value()}}});
    const auto answer = why == nullptr ? schemas::MoveAnswer::Verdict::GRANTED
                                       : static_cast<schemas::MoveAnswer::Verdict>(*why);
    reply.deliver(move_answer_of(answer, election_.term()));
  }
}

void coordinator::tell_arbiter(const wire::member& m) {
  if (!arbiter_) return;
  const bool serves = m.state == wire::member_state::serving;
  arbiter_->seen(m.id, m.stage,
                 serves ? rebalancing::worker_state::serving : rebalancing::worker_state::joining,
                 rebalancing::seconds{now_s()});
}

}  // namespace swarm::training
