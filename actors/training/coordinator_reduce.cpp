#include <algorithm>

#include "actors/limits.hpp"
#include "actors/training/coordinator_state.hpp"
#include "actors/training/orders.hpp"

/// The all-reduces of a step, one per stage. Members are polled: a poll is answered with the
/// result, or after a while with how far it is; who does not answer several in a row is lost. A
/// loss makes a new revision of the order, which everybody who is left is told at once.
namespace swarm::training {

std::chrono::milliseconds coordinator::reduce_hold() const {
  return std::min<std::chrono::milliseconds>(std::chrono::milliseconds{5'000},
                                             options_.reduce_timeout / 4);
}

void coordinator::reduce(stage_id stage) {
  auto& all = reducing_[stage];
  all = {};
  all.to = order_to(stage);
  all.followers = crew_.followers_of(stage);
  watches_.at(stage).begin(ledger_->repair(stage).members(), now_s());
  order_reduce(stage);
}

/// To whoever has a part in it, in the words of the latest revision.
void coordinator::order_reduce(stage_id stage) {
  auto& all = reducing_.at(stage);
  const auto& group = ledger_->repair(stage);
  all.revision = group.revision() + all.joins;
  const auto order_for = [&](std::optional<worker_id> helper) {
    return reduce_of(all.to.when, stage, group, all.followers, all.revision, ledger_->counted(),
                     reduce_hold(), helper);
  };
  all.order = order_for(std::nullopt);
  all.helper_orders.clear();
  for (const auto& loss : group.losses())
    for (const auto& share : loss.shares)
      if (all.helper_orders.count(share.helper) == 0)
        all.helper_orders.emplace(share.helper, order_for(share.helper));
  for (const auto& id : all.followers)
    order_follower(id, all);
  const auto to = all.to;
  for (const auto& id : std::vector<worker_id>{group.members()}) {
    if (!is_current(to)) return;
    if (!ledger_->repair(stage).is_lost(id)) poll_reduce(stage, id);
  }
}

void coordinator::order_follower(worker_id id, const reducing& all) {
  const auto follows = crew_.followers().find(id);
  const auto* who = follows == crew_.followers().end() ? crew_.find(id) : &follows->second;
  if (who == nullptr) return;
  request(who->handle, options_.reduce_timeout, all.order)
      .then([](const wire::reduced&) {}, [](caf::error&) {});
}

/// Whoever has come since its stage began to reduce gets the sum all the same, or it would have to
/// fetch everything again at the commit:
///
///   1. the order to reduce v goes out; 2. a joiner is announced, or serves, at v
///   3. it becomes a follower by the next revision, and asks the members, who have the sum until
///      the next gather; 4. the commit of v may come first: it waits for the sum
///
/// Who is done with fetching in between gets the order once more, now that it serves.
void coordinator::reduce_too(const wire::member& m) {
  const auto found = reducing_.find(m.stage);
  const bool serves = m.state == wire::member_state::serving;
  if (!ledger_ || found == reducing_.end() || !is_current(found->second.to)) return;
  if (!serves && crew_.followers().count(m.id) == 0) return;
  if (serves && weights_id{history_id{m.history}, step_id{m.version}} != weights()) return;
  const auto phase = ledger_->now(m.stage);
  if (phase != stage_round::phase::reducing && phase != stage_round::phase::reduced) return;
  auto& all = found->second;
  const auto& group = ledger_->repair(m.stage);
  if (group.is_member(m.id)) return;
  const bool known =
      std::find(all.followers.begin(), all.followers.end(), m.id) != all.followers.end();
  if (!known) {
    if (group.members().size() + all.followers.size() >= group_members_max) return;
    all.followers.push_back(m.id);
    ++all.joins;
  }
  const bool serves_now = serves && all.serving.insert(m.id).second;
  if (known && serves_now) order_follower(m.id, all);
}

void coordinator::revise(stage_id stage) {
  const auto found = reducing_.find(stage);
  if (!ledger_ || found == reducing_.end() || ledger_->reduce_failed(stage)) return;
  const auto& group = ledger_->repair(stage);
  auto& all = found->second;
  if (!is_current(all.to) || group.revision() + all.joins <= all.revision) return;
  const bool reduces = ledger_->now(stage) == stage_round::phase::reducing;
  if (reduces && group.losses().size() > all.lost)
    report("reduce_repaired", {{"step", version_.value()},
                               {"stage", int64_t{stage.value()}},
                               {"round", int64_t{all.to.when.round.value()}},
                               {"lost", static_cast<int64_t>(group.losses().size())}});
  all.lost = group.losses().size();
  for (const auto& id : group.members())
    if (group.is_lost(id)) watches_.at(stage).lost(id, now_s());
  order_reduce(stage);
}

void coordinator::poll_reduce(stage_id stage, worker_id id) {
  auto& all = reducing_.at(stage);
  const auto* who = crew_.find(id);
  if (who == nullptr) return lost(id, all.to);
  const auto serial = all.polls[id] = ++polls_;
  const auto to = all.to;
  const auto helps = all.helper_orders.find(id);
  const auto& order = helps == all.helper_orders.end() ? all.order : helps->second;
  request(who->handle, reduce_hold() + options_.gather_timeout / calls_max, order)
      .then(
          [=](const wire::reduced& reply) {
            if (is_current(to)) on_reduced(stage, id, serial, reply);
          },
          [=](caf::error& error) {
            if (is_current(to)) on_reduce_error(stage, id, serial, error);
          });
}

/// Only the last poll of a member leads to the next one: a revision has sent another meanwhile.
void coordinator::on_reduced(stage_id stage, worker_id id, uint64_t serial,
                             const wire::reduced& m) {
  auto& all = reducing_.at(stage);
  const auto to = all.to;
  if (!is_from(id, to.when, m)) return leave_reduce(id, to, true, nullptr);
  all.unheard.erase(id);
  const auto reduced = m.read();
  auto& watch = watches_.at(stage);
  if (reduced->getDone()) {
    watch.through(id);
    if (!ledger_->reduced(id, to.when.round, reduced->getHash().cStr(), reduced->getSquaredNorm()))
      reduce_failed(id, to);
    return progress();
  }
  std::vector<worker_id> waiting_for;
  for (const auto who : reduced->getWaitingFor())
    waiting_for.push_back(wire::from_wire(who));
  watch.heard(id, reduced->getPartsDone(), std::move(waiting_for), now_s());
  if (all.polls.at(id) == serial && !ledger_->repair(stage).is_lost(id)) poll_reduce(stage, id);
}

void coordinator::on_reduce_error(stage_id stage, worker_id id, uint64_t serial,
                                  const caf::error& error) {
  auto& all = reducing_.at(stage);
  const auto to = all.to;
  const bool is_last = all.polls.at(id) == serial;
  if (!is_last || ledger_->repair(stage).is_lost(id)) return;
  if (was_lost(error) && ++all.unheard[id] < calls_max) return poll_reduce(stage, id);
  leave_reduce(id, to, error != caf::sec::request_receiver_down, &error);
}

void coordinator::leave_reduce(worker_id id, const stage_order& to, bool failed,
                               const caf::error* why) {
  leave_out(id, why);
  if (!is_current(to)) return;
  if (failed && ledger_->reduce_failed(to.stage)) reduce_failed(id, to);
  progress();
}

/// Nobody can say whose fault a sum is that never came or that differs.
void coordinator::reduce_failed(worker_id id, const stage_order& to) {
  if (!is_current(to)) return;
  ++failed_reduces_[to.stage];
  report_worker("reduce_failed", id);
}

/// One that does not move is repaired without whoever is in its way.
void coordinator::watch_reduces() {
  std::vector<std::pair<worker_id, stage_order>> given_up;
  for (const auto& [stage, all] : reducing_) {
    if (!is_current(all.to) || ledger_->now(stage) != stage_round::phase::reducing) continue;
    // Its lease is given to another trainer first.
    const double computing_s = std::chrono::duration<double>(options_.lease_timeout).count() * 2;
    const auto who =
        watches_.at(stage).in_the_way(now_s(), ledger_->computes_shares(stage) ? computing_s : 0);
    if (who) given_up.emplace_back(*who, all.to);
  }
  for (const auto& [id, to] : given_up) {
    if (!is_current(to)) continue;
    report("reduce_stands", {{"step", version_.value()},
                             {"stage", int64_t{to.stage.value()}},
                             {"peer", static_cast<int64_t>(id.peer.value())}});
    leave_reduce(id, to, true, nullptr);
  }
}

}  // namespace swarm::training
