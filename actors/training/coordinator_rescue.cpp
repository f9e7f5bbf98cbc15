#include "actors/planted_bug.hpp"
#include "actors/training/coordinator_state.hpp"
#include "actors/training/orders.hpp"
#include "actors/wire/refusal.hpp"

namespace swarm::training {

namespace {

/// Stages that a worker's process may say it has copies of.
constexpr unsigned inventory_items_max = 64;
/// Who wants to move and waits for the end of the step; with more of them nobody waits.
constexpr size_t movers_max = 256;

wire::move_answer move_answer_of(schemas::MoveAnswer::Verdict verdict) {
  wire::builder<schemas::MoveAnswer> message;
  message->setVerdict(verdict);
  return message.finish();
}

}  // namespace

bool coordinator::rescue_if_due() {
  if (options_.rescue_after.count() == 0 || planted(planted_bug::rescue_never_begins)) return false;
  if (!stuck_since_) stuck_since_ = now();
  if (now() - *stuck_since_ < std::chrono::duration<double>(options_.rescue_after).count())
    return false;
  begin_rescue();
  return true;
}

/// In a new term, so that no order of the history that is given up is obeyed any more.
void coordinator::begin_rescue() {
  election_.lead(term_above(election_.highest(), options_.id));
  announce();
  ledger_.reset();
  taking_over_ = rescuing_ = true;
  // Should this attempt come to nothing, the next one begins after the same time.
  stuck_since_ = now();
  const auto generation = ++generation_;
  gather_later_ = 0;
  dropping_.clear();
  uncommitted_.clear();
  asked_.clear();
  standings_.clear();
  report("rescue_begins",
         {{"step", version_.value()}, {"term", static_cast<int64_t>(election_.term().value())}});
  take_inventory([this, generation] {
    if (rescuing_ && generation == generation_) carry_out_rescue();
  });
}

void coordinator::take_inventory(std::function<void()> done) {
  const auto which = ++inventory_;
  inventories_.clear();
  std::vector<std::pair<worker_id, wire::steward_actor>> stewards;
  for (const auto& [id, place] : crew_.places())
    if (place.steward) stewards.emplace_back(id, place.steward);
  if (stewards.empty()) return done();
  const auto left = std::make_shared<size_t>(stewards.size());
  const auto answered = [this, which, left, done] {
    if (--*left == 0 && which == inventory_) done();
  };
  const auto order = inventory_request_of(election_.term());
  for (const auto& [id, steward] : stewards)
    request(steward, options_.gather_timeout / calls_max, order)
        .then(
            [=, id = id](const wire::inventory& m) {
              if (which == inventory_) on_inventory(id, m);
              answered();
            },
            [=](caf::error&) { answered(); });
}

void coordinator::on_inventory(worker_id id, const wire::inventory& m) {
  if (m.fault()) return;
  const auto items = m.read()->getItems();
  for (unsigned i = 0; i < items.size() && i < inventory_items_max; ++i)
    if (items[i].getStage() < static_cast<uint32_t>(options_.stages) && items[i].getVersion() >= 0)
      inventories_[id][stage_id{static_cast<int32_t>(items[i].getStage())}].insert(
          step_id{items[i].getVersion()});
}

std::map<worker_id, stage_id> coordinator::places() const {
  std::map<worker_id, stage_id> result;
  for (const auto& [id, place] : crew_.places())
    result[id] = place.at.stage;
  return result;
}

// -- copies -------------------------------------------------------------------------------------

bool coordinator::is_kept(step_id version) {
  if (options_.keep_every == 0 || version.value() % options_.keep_every != 0 || !kept_safely_)
    return false;
  kept_ = version;
  kept_at_ = now();
  kept_safely_ = false;
  return true;
}

void coordinator::ask_custody() {
  take_inventory([this] {
    const bool safe = in_custody(kept_, places(), inventories_, options_.stages);
    const bool late =
        now() - kept_at_ > std::chrono::duration<double>(options_.custody_patience).count();
    if (!safe && !late) return;
    kept_safely_ = true;
    report(safe ? "copies_kept" : "copies_missing", {{"version", kept_.value()}});
  });
}

// -- rescue -------------------------------------------------------------------------------------

void coordinator::carry_out_rescue() {
  const auto plan = plan_rescue(places(), inventories_, options_.stages);
  switch (plan.what) {
    case rescue::verdict::restore:
      return restore(plan);
    case rescue::verdict::move:
      move(plan);
      break;
    case rescue::verdict::wait:
    case rescue::verdict::lost:
      report(plan.what == rescue::verdict::wait ? "stage_needs_peer" : "stage_lost",
             {{"stage", int64_t{plan.stage->value()}}, {"detail", plan.sentence()}});
      break;
  }
  rescuing_ = false;
  retake_later();
}

/// Who moves announces itself in the other stage; the next attempt finds it there.
void coordinator::move(const rescue& plan) {
  for (const auto& [id, stage] : plan.moves) {
    const auto& steward = crew_.places().at(id).steward;
    report("peer_moved",
           {{"peer", static_cast<int64_t>(id.peer.value())}, {"stage", int64_t{stage.value()}}});
    if (!steward) continue;
    if (desk_) desk_->gone(id);
    request(steward, options_.gather_timeout, move_order_of(election_.term(), stage))
        .then([](const wire::move_done&) {}, [](caf::error&) {});
  }
}

void coordinator::restore(const rescue& plan) {
  kept_safely_ = true;
  given_up_ = std::max(given_up_, version_);
  report("rescued", {{"from", version_.value()}, {"step", plan.version.value()}});
  version_ = plan.version;
  last_order_ = {};
  owed_.clear();
  const auto generation = generation_;
  unanswered_ = crew_.places().size();
  const auto answered = [this, generation] {
    if (rescuing_ && generation == generation_ && --unanswered_ == 0) take_over();
  };
  const auto places = crew_.places();
  for (const auto& [id, place] : places) {
    const auto holders = plan.holders.find(place.at.stage);
    const auto order =
        restore_of(election_.term(), plan.version,
                   holders == plan.holders.end() ? std::vector<worker_id>{} : holders->second);
    request(place.at.handle, options_.gather_timeout, order)
        .then([=](const wire::standing&) { answered(); }, [=](caf::error&) { answered(); });
  }
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
  if (election_.leading() && !desk_) {
    desk_.emplace(options_.stages, leads_since_, options_.desk);
    for (const auto& [id, place] : crew_.places())
      desk_->seen(id, place.at.stage,
                  crew_.find(id) != nullptr ? rebalancing::worker_state::serving
                                            : rebalancing::worker_state::joining,
                  rebalancing::seconds{now()});
  }
  for (auto& [wish, reply] : std::exchange(movers_, {})) {
    if (!desk_) {
      reply.deliver(move_answer_of(schemas::MoveAnswer::Verdict::NOT_LEADING));
      continue;
    }
    // Whoever the rescue itself sends elsewhere, the desk does not know of.
    if (taking_over_ && !planted(planted_bug::every_move_granted)) {
      reply.deliver(move_answer_of(schemas::MoveAnswer::Verdict::DESK_IS_NEW));
      continue;
    }
    const auto verdict = desk_->ask(wish, rebalancing::seconds{now()});
    const auto* why = planted(planted_bug::every_move_granted)
                          ? nullptr
                          : std::get_if<rebalancing::refusal_reason>(&verdict);
    if (why == nullptr)
      report("move_granted", {{"peer", static_cast<int64_t>(wish.who.peer.value())},
                              {"from", int64_t{wish.from.value()}},
                              {"to", int64_t{wish.to.value()}}});
    reply.deliver(move_answer_of(why == nullptr ? schemas::MoveAnswer::Verdict::GRANTED
                                                : static_cast<schemas::MoveAnswer::Verdict>(*why)));
  }
}

void coordinator::tell_desk(const wire::member& m) {
  if (!desk_) return;
  const bool serves = m.state == wire::member_state::serving;
  desk_->seen(m.id, m.stage,
              serves ? rebalancing::worker_state::serving : rebalancing::worker_state::joining,
              rebalancing::seconds{now()});
}

bool coordinator::send_back(worker_id id, const caf::error& why) {
  const auto refusal = wire::refusal_of(why);
  const auto* who = crew_.find(id);
  if (!refusal || refusal->fault() || who == nullptr) return false;
  const auto body = refusal->read();
  const step_id version{body->getVersion()};
  if (body->getReason() != schemas::Refusal::Reason::AHEAD || version <= version_ ||
      given_up_ < version)
    return false;
  // Nobody holds such a copy for it: it fetches from its stage.
  request(who->handle, options_.gather_timeout, restore_of(election_.term(), version_, {}))
      .then([](const wire::standing&) {}, [](caf::error&) {});
  return true;
}

}  // namespace swarm::training
