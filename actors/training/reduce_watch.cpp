#include "actors/training/reduce_watch.hpp"

#include <algorithm>
#include <utility>

namespace swarm::training {

namespace {

/// Of the longest pause so far: longer ones are no pause.
constexpr double pauses = 4;

}  // namespace

void reduce_watch::begin(const std::vector<worker_id>& members, double now_s) {
  working_.clear();
  lost_.clear();
  last_longest_gap_s_ = std::exchange(longest_gap_s_, 0);
  for (const auto& id : members)
    working_[id].moved_s = now_s;
}

void reduce_watch::moved(member& who, double now_s) {
  longest_gap_s_ = std::max(longest_gap_s_, now_s - who.moved_s);
  who.moved_s = now_s;
}

void reduce_watch::heard(worker_id id, uint32_t parts_done, std::vector<worker_id> waiting_for,
                         double now_s) {
  const auto found = working_.find(id);
  if (found == working_.end()) return;
  auto& who = found->second;
  if (parts_done > who.parts_done) moved(who, now_s);
  who.parts_done = std::max(who.parts_done, parts_done);
  who.waiting_for = std::move(waiting_for);
}

void reduce_watch::share_computed(double now_s) {
  for (auto& [id, who] : working_)
    moved(who, now_s);
}

void reduce_watch::lost(worker_id id, double now_s) {
  working_.erase(id);
  lost_.insert(id);
  for (auto& [other, who] : working_)
    who.moved_s = now_s;
}

double reduce_watch::patience_s() const {
  return std::max(at_least_s_, pauses * std::max(longest_gap_s_, last_longest_gap_s_));
}

bool reduce_watch::waits_for_work(worker_id id, double since_s, std::set<worker_id>& seen) const {
  const auto found = working_.find(id);
  if (found == working_.end()) return false;
  if (found->second.moved_s >= since_s) return true;
  if (!seen.insert(id).second) return false;
  const auto& others = found->second.waiting_for;
  return std::any_of(others.begin(), others.end(),
                     [&](worker_id other) { return waits_for_work(other, since_s, seen); });
}

std::optional<worker_id> reduce_watch::in_the_way(double now_s, double at_least_s) const {
  const double since_s = now_s - std::max(at_least_s, patience_s());
  std::map<worker_id, size_t> blamed;
  for (const auto& [id, who] : working_) {
    std::set<worker_id> seen;
    if (waits_for_work(id, since_s, seen)) continue;
    bool blames = false;
    for (const auto& other : who.waiting_for) {
      if (other == id || lost_.count(other) != 0) continue;
      ++blamed[other];
      blames = true;
    }
    // It has what it asked for, and does not end.
    if (!blames) ++blamed[id];
  }
  const auto most =
      std::max_element(blamed.begin(), blamed.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == blamed.end()) return std::nullopt;
  return most->first;
}

}  // namespace swarm::training
