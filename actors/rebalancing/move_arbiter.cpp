#include "actors/rebalancing/move_arbiter.hpp"

#include <algorithm>

#include "actors/invariant.hpp"

namespace swarm::rebalancing {

const char* to_sentence(refusal_reason reason) {
  switch (reason) {
    case refusal_reason::unknown_worker:
      return "Nobody has announced this worker; announce it, then ask again.";
    case refusal_reason::wrong_source:
      return "The worker does not work at the stage it wants to leave; look at the roster again.";
    case refusal_reason::unknown_stage:
      return "The run has no such stage; check that both sides know the same run.";
    case refusal_reason::same_stage:
      return "The worker is at that stage already; there is nothing to do.";
    case refusal_reason::source_busy:
      return "Another move out of or into the worker's stage is under way; ask again later.";
    case refusal_reason::target_busy:
      return "Another move into or out of that stage is under way; ask again later.";
    case refusal_reason::last_of_stage:
      return "Nobody else would serve the worker's stage; stay.";
    case refusal_reason::already_moving:
      return "The worker is allowed another move; make it, give it back, or announce yourself.";
    case refusal_reason::arbiter_is_new:
      return "The coordinator is new and waits until older moves are over; ask again later.";
  }
  return "Unknown refusal.";
}

move_arbiter::move_arbiter(int32_t stages, seconds now, const move_arbiter_options& options)
    : stages_(stages), began_(now), options_(options) {
  SWARM_INVARIANT(stages_ > 0, "a run has stages");
  SWARM_INVARIANT(options_.leave_margin < options_.grant_lifetime,
                  "a mover has time between the grant and the last moment to leave");
}

void move_arbiter::seen(worker_id who, stage_id stage, worker_state state, seconds now) {
  if (!exists(stage)) return;
  expire(now);
  const auto known = workers_.find(who.peer);
  if (known != workers_.end() && who < known->second.id) return;
  workers_[who.peer] = {who, stage, state, false};
  const auto granted = grants_.find(who.peer);
  if (granted == grants_.end()) return;
  // Still there: it may leave until the grant expires.
  const auto& wish = granted->second.given.what;
  if (who == wish.who && stage == wish.from) return;
  grants_.erase(granted);
}

void move_arbiter::gone(worker_id who) {
  const auto known = workers_.find(who.peer);
  if (known == workers_.end() || known->second.id != who) return;
  workers_.erase(known);
  grants_.erase(who.peer);
}

bool move_arbiter::is_busy(stage_id stage) const {
  return std::any_of(grants_.begin(), grants_.end(), [&](const auto& g) {
    return g.second.given.what.from == stage || g.second.given.what.to == stage;
  });
}

size_t move_arbiter::others(worker_id who, stage_id stage, bool only_serving) const {
  return static_cast<size_t>(std::count_if(workers_.begin(), workers_.end(), [&](const auto& row) {
    const auto& w = row.second;
    return w.stage == stage && w.id != who && !w.in_doubt && !is_moving(w.id.peer) &&
           (!only_serving || w.state == worker_state::serving);
  }));
}

bool move_arbiter::is_empty(stage_id stage) const {
  return std::none_of(workers_.begin(), workers_.end(), [&](const auto& row) {
    return row.second.stage == stage && !row.second.in_doubt;
  });
}

void move_arbiter::expire(seconds now) {
  for (auto g = grants_.begin(); g != grants_.end();) {
    if (now < g->second.expires) {
      ++g;
      continue;
    }
    const auto known = workers_.find(g->first);
    if (known != workers_.end() && known->second.id == g->second.given.what.who)
      known->second.in_doubt = true;
    g = grants_.erase(g);
  }
}

std::variant<move_grant, refusal_reason> move_arbiter::ask(const move& what, seconds now,
                                                           std::optional<worker_state> as) {
  expire(now);
  if (!exists(what.from) || !exists(what.to)) return refusal_reason::unknown_stage;
  if (what.from == what.to) return refusal_reason::same_stage;
  const auto known = workers_.find(what.who.peer);
  if (known == workers_.end() || known->second.id != what.who)
    return refusal_reason::unknown_worker;
  if (known->second.stage != what.from) return refusal_reason::wrong_source;
  if (as) known->second.state = *as;
  // Who does not serve takes nothing from those who do, but leaves somebody to wait for.
  const auto serves = known->second.state == worker_state::serving;
  const auto left = others(what.who, what.from, serves);
  const auto granted = grants_.find(what.who.peer);
  if (granted != grants_.end()) {
    if (!(granted->second.given.what == what)) return refusal_reason::already_moving;
    // Somebody may have died since. The grant stays open: its first answer may be under way.
    if (left == 0) return refusal_reason::last_of_stage;
    return granted->second.given;
  }
  if (known->second.in_doubt) return refusal_reason::already_moving;
  if (is_busy(what.from)) return refusal_reason::source_busy;
  if (is_busy(what.to)) return refusal_reason::target_busy;
  if (left == 0) return refusal_reason::last_of_stage;
  const auto young = now < began_ + options_.grant_lifetime;
  if (young && (!is_empty(what.to) || left < 2)) return refusal_reason::arbiter_is_new;
  return grant(what, now);
}

std::variant<move_grant, refusal_reason> move_arbiter::grant(const move& what, seconds now) {
  const auto expires = now + options_.grant_lifetime;
  const move_grant given{what, expires - options_.leave_margin};
  grants_[what.who.peer] = {given, expires};
  return given;
}

void move_arbiter::give_back(worker_id who) {
  const auto granted = grants_.find(who.peer);
  if (granted != grants_.end() && granted->second.given.what.who == who) grants_.erase(granted);
}

size_t move_arbiter::grants_open(seconds now) {
  expire(now);
  return grants_.size();
}

}  // namespace swarm::rebalancing
