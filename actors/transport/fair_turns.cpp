#include "actors/transport/fair_turns.hpp"

#include <algorithm>

namespace swarm::transport {

void fair_turns::set_waiting(link_id who, bool waits) {
  auto& its = shares_[who];
  if (its.waits == waits) return;
  its.waits = waits;
  if (!waits) {
    waiting_.erase({its.begins, who});
    return;
  }
  its.begins = std::max(its.begins, virtual_time_);
  waiting_.insert({its.begins, who});
}

void fair_turns::forget(link_id who) {
  set_waiting(who, false);
  shares_.erase(who);
}

std::optional<link_id> fair_turns::next() const {
  if (waiting_.empty()) return std::nullopt;
  return waiting_.begin()->second;
}

void fair_turns::took(link_id who, size_t bytes) {
  const auto found = shares_.find(who);
  if (found == shares_.end() || bytes == 0) return;
  auto& its = found->second;
  if (its.waits) waiting_.erase({its.begins, who});
  its.begins = std::max(its.begins, virtual_time_);
  virtual_time_ = its.begins;
  its.begins += bytes;
  if (its.waits) waiting_.insert({its.begins, who});
}

}  // namespace swarm::transport
