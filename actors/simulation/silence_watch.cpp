#include "actors/simulation/silence_watch.hpp"

namespace swarm::simulation {

void silence_watch::start(host_id which, const path_test& connected) {
  hosts_.insert(which);
  for (const auto other : hosts_) {
    if (other == which) continue;
    const bool cut = !connected(which, other) || !connected(other, which);
    if (cut || frozen_.count(other) != 0) silent_[between(which, other)] = {cut, true, moment{0}};
  }
}

void silence_watch::end(host_id which) {
  hosts_.erase(which);
  frozen_.erase(which);
  for (auto it = silent_.begin(); it != silent_.end();)
    it = it->first.first == which || it->first.second == which ? silent_.erase(it) : std::next(it);
}

bool silence_watch::quiet(const link& which, const silent_link& state) const {
  return state.cut || frozen_.count(which.first) != 0 || frozen_.count(which.second) != 0;
}

void silence_watch::mark(const link& which, bool cut, moment now) {
  const auto [place, fresh] = silent_.try_emplace(which);
  auto& state = place->second;
  const bool was_quiet = !fresh && quiet(which, state);
  state.cut = cut;
  if (was_quiet != quiet(which, state) || fresh) state.since = now;
}

void silence_watch::freeze(host_id which, moment now) {
  if (hosts_.count(which) == 0 || frozen_.count(which) != 0) return;
  std::vector<link> loud;  // Whose silence begins now.
  for (const auto other : hosts_) {
    if (other == which) continue;
    const auto found = silent_.find(between(which, other));
    if (found == silent_.end() || !quiet(found->first, found->second))
      loud.push_back(between(which, other));
  }
  frozen_.insert(which);
  for (const auto& each : loud)
    silent_[each].since = now;
}

void silence_watch::thaw(host_id which, moment now) {
  if (frozen_.erase(which) == 0) return;
  for (auto& [ends, state] : silent_)
    if ((ends.first == which || ends.second == which) && !quiet(ends, state)) state.since = now;
}

void silence_watch::paths_changed(const path_test& connected, moment now) {
  for (auto a = hosts_.begin(); a != hosts_.end(); ++a) {
    for (auto b = std::next(a); b != hosts_.end(); ++b) {
      const bool cut = !connected(*a, *b) || !connected(*b, *a);
      const auto found = silent_.find({*a, *b});
      if (cut != (found != silent_.end() && found->second.cut)) mark({*a, *b}, cut, now);
    }
  }
}

void silence_watch::break_link(host_id a, host_id b, moment now) {
  if (hosts_.count(a) == 0 || hosts_.count(b) == 0) return;
  auto& state = silent_[between(a, b)];
  state.broken = true;
  if (!quiet(between(a, b), state)) state.since = now;
}

silence_watch::changes silence_watch::look(moment now) {
  changes result;
  for (auto it = silent_.begin(); it != silent_.end();) {
    auto& [ends, state] = *it;
    if (quiet(ends, state)) {
      if (!state.broken && now - state.since >= silence_) {
        state.broken = true;
        result.broken.push_back(ends);
      }
      ++it;
    } else if (now - state.since >= redial_) {
      result.repaired.push_back(ends);
      it = silent_.erase(it);
    } else {
      ++it;
    }
  }
  return result;
}

}  // namespace swarm::simulation
