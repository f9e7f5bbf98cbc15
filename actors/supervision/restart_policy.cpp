#include "actors/supervision/restart_policy.hpp"

#include <algorithm>
#include <utility>

#include "actors/invariant.hpp"

namespace swarm::supervision {

namespace {

constexpr monotonic_time never = monotonic_time::max();

monotonic_time after(monotonic_time now, std::chrono::milliseconds wait) {
  // Compared in the coarser unit, where the longest wait does not overflow.
  if (wait >= std::chrono::duration_cast<std::chrono::milliseconds>(never - now)) return never;
  return now + wait;
}

}  // namespace

const char* complaint(const policy_options& options) {
  if (options.period.count() <= 0) return "The period is not positive; use at least 1 ms.";
  return complaint(options.backoff);
}

restart_policy::restart_policy(policy_options options, std::mt19937_64 generator)
    : options_(options), generator_(generator) {
  SWARM_INVARIANT(complaint(options_) == nullptr, "a restart policy needs valid options");
}

child_key restart_policy::add(restart_type type, std::chrono::milliseconds shutdown_timeout) {
  SWARM_INVARIANT(!closing_, "a closing supervisor takes no children");
  child added{};
  added.type = type;
  added.shutdown_timeout = shutdown_timeout;
  children_.emplace(++last_key_, added);
  return last_key_;
}

void restart_policy::started(child_key key, monotonic_time now) {
  auto& c = at(key);
  SWARM_INVARIANT(c.alive == life::starting, "only a start action starts a child");
  c.alive = life::up;
  c.up_since = now;
}

verdict restart_policy::start_failed(child_key key, monotonic_time now) {
  auto& c = at(key);
  SWARM_INVARIANT(c.alive == life::starting, "only a start action starts a child");
  c.alive = life::down;
  c.up_since = now;
  return c.type == restart_type::temporary ? end(children_.find(key)) : fail(key, now);
}

verdict restart_policy::exited(child_key key, exit_kind kind, monotonic_time now) {
  const auto it = children_.find(key);
  SWARM_INVARIANT(it != children_.end(), "an exit is reported once, of a known child");
  auto& c = it->second;
  SWARM_INVARIANT(c.alive != life::down && c.alive != life::starting, "only the living exit");
  const bool told = closing_ || c.must_stop || c.alive != life::up;
  c.alive = life::down;
  c.must_stop = false;
  if (told) {
    if (!c.wanted && c.type == restart_type::temporary) children_.erase(it);
    return {verdict::kind::stopped};
  }
  const bool again = c.type == restart_type::permanent ||
                     (c.type == restart_type::transient && kind == exit_kind::failed);
  return again ? fail(key, now) : end(it);
}

void restart_policy::terminate(child_key key) {
  auto& c = at(key);
  c.wanted = false;
  c.terminated = true;
  c.must_stop = c.alive == life::up;
  if (c.alive == life::down && c.type == restart_type::temporary) children_.erase(key);
}

void restart_policy::restart(child_key key, monotonic_time now) {
  SWARM_INVARIANT(!closing_, "a closing supervisor starts nothing");
  at(key).terminated = false;
  restart_with_siblings(key, now, true);
}

void restart_policy::close() {
  closing_ = true;
  for (auto& [key, c] : children_) {
    c.wanted = false;
    c.must_stop = c.alive == life::up;
  }
}

std::optional<policy_action> restart_policy::next(monotonic_time now) {
  if (auto action = next_overdue(now)) return action;
  if (auto action = next_stop(now)) return action;
  if (!closing_) return next_start(now);
  const bool all_down = std::all_of(children_.begin(), children_.end(), [](const auto& entry) {
    return entry.second.alive == life::down;
  });
  if (!all_down) return std::nullopt;
  return policy_action{policy_action::kind::finish, 0};
}

std::optional<monotonic_time> restart_policy::next_wakeup() const {
  monotonic_time earliest = never;
  const bool blocked = closing_ || (!independent() && any_stopping());
  for (const auto& [key, c] : children_) {
    if (c.alive == life::stopping || c.alive == life::killed)
      earliest = std::min(earliest, c.deadline);
    if (blocked || c.alive != life::down || !c.wanted) continue;
    earliest = std::min(earliest, c.due);
    // Those behind it wait for it, however early they are due.
    if (!independent()) break;
  }
  if (earliest == never) return std::nullopt;
  return earliest;
}

child_state restart_policy::state(child_key key) const {
  const auto it = children_.find(key);
  if (it == children_.end()) return child_state::ended;
  const auto& c = it->second;
  if (c.alive == life::down) return c.wanted ? child_state::waiting : child_state::ended;
  if (c.alive == life::starting) return child_state::waiting;
  return c.alive == life::up && !c.must_stop ? child_state::running : child_state::stopping;
}

bool restart_policy::independent() const {
  return options_.strategy == restart_strategy::one_for_one && !closing_;
}

bool restart_policy::any_stopping() const {
  return std::any_of(children_.begin(), children_.end(), [](const auto& entry) {
    return entry.second.alive == life::stopping || entry.second.alive == life::killed;
  });
}

bool restart_policy::any_must_stop() const {
  return std::any_of(children_.begin(), children_.end(),
                     [](const auto& entry) { return entry.second.must_stop; });
}

restart_policy::child& restart_policy::at(child_key key) {
  const auto it = children_.find(key);
  SWARM_INVARIANT(it != children_.end(), "the child must be known");
  return it->second;
}

verdict restart_policy::end(child_map::iterator it) {
  it->second.wanted = false;
  if (it->second.type == restart_type::temporary) children_.erase(it);
  return {verdict::kind::ended};
}

verdict restart_policy::fail(child_key key, monotonic_time now) {
  if (too_many_restarts(now)) {
    close();
    return {verdict::kind::escalate};
  }
  auto& c = at(key);
  if (now - c.up_since >= options_.backoff.reset_after && c.up_since < now) c.failures = 0;
  const auto delay = backoff_delay(options_.backoff, c.failures++, generator_);
  restart_with_siblings(key, now + delay, false);
  return {verdict::kind::restart, delay};
}

bool restart_policy::shares_fate(child_key victim, child_key culprit) const {
  switch (options_.strategy) {
    case restart_strategy::one_for_one:
      return victim == culprit;
    case restart_strategy::one_for_all:
      return true;
    case restart_strategy::rest_for_one:
      return victim >= culprit;
  }
  return false;
}

void restart_policy::restart_with_siblings(child_key culprit, monotonic_time due, bool at_once) {
  for (auto& [key, c] : children_) {
    if (!shares_fate(key, culprit) || c.terminated) continue;
    c.must_stop = c.alive == life::up;
    if (key == culprit || c.type != restart_type::temporary)
      c.wanted = true;
    else if (c.must_stop)
      c.wanted = false;
    c.due = at_once ? due : std::max(c.due, due);
  }
}

bool restart_policy::too_many_restarts(monotonic_time now) {
  while (!restarts_.empty() && now - restarts_.front() > options_.period)
    restarts_.pop_front();
  if (restarts_.size() >= options_.intensity) return true;
  restarts_.push_back(now);
  return false;
}

std::optional<policy_action> restart_policy::next_overdue(monotonic_time now) {
  for (auto& [key, c] : children_) {
    if (c.deadline > now) continue;
    if (c.alive == life::stopping) {
      c.alive = life::killed;
      c.deadline = after(now, kill_grace);
      return policy_action{policy_action::kind::kill, key};
    }
    if (c.alive == life::killed) {
      c.deadline = never;
      return policy_action{policy_action::kind::report_stuck, key};
    }
  }
  return std::nullopt;
}

std::optional<policy_action> restart_policy::next_stop(monotonic_time now) {
  if (!independent() && any_stopping()) return std::nullopt;
  const auto last = std::find_if(children_.rbegin(), children_.rend(),
                                 [](const auto& entry) { return entry.second.must_stop; });
  if (last == children_.rend()) return std::nullopt;
  auto& c = last->second;
  c.must_stop = false;
  c.alive = life::stopping;
  c.deadline = after(now, c.shutdown_timeout);
  return policy_action{policy_action::kind::stop, last->first};
}

std::optional<policy_action> restart_policy::next_start(monotonic_time now) {
  if (!independent() && (any_stopping() || any_must_stop())) return std::nullopt;
  for (auto& [key, c] : children_) {
    SWARM_INVARIANT(c.alive != life::starting, "a start is answered before the next action");
    if (c.alive != life::down || !c.wanted) continue;
    if (c.due <= now) {
      c.alive = life::starting;
      return policy_action{policy_action::kind::start, key};
    }
    if (!independent()) break;
  }
  return std::nullopt;
}

}  // namespace swarm::supervision
