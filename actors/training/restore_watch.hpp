#pragma once

#include <algorithm>
#include <cstdint>
#include <map>

#include "actors/ids.hpp"

namespace swarm::training {

/// How far the workers are that were sent back to earlier weights, by what they answer when they
/// are asked again (schemas::Refusal, restoring). No actors; time comes in as seconds.
///
/// A worker is hopeless when nothing has come for longer than `at_least_s` and than a multiple of
/// the longest pause it has made so far. How long all of it takes does not matter: a state of
/// gigabytes takes minutes on a slow line.
class restore_watch {
 public:
  explicit restore_watch(double at_least_s) : at_least_s_(at_least_s) {}

  void begin() { workers_.clear(); }
  void sent(worker_id id, double now_s) { workers_.emplace(id, worker{0, now_s, 0}); }

  /// So many bytes are there.
  void heard(worker_id id, uint64_t done_bytes, double now_s) {
    const auto found = workers_.find(id);
    if (found == workers_.end() || done_bytes <= found->second.done_bytes) return;
    auto& who = found->second;
    who.longest_gap_s = std::max(who.longest_gap_s, now_s - who.moved_s);
    who.done_bytes = done_bytes;
    who.moved_s = now_s;
  }

  bool hopeless(worker_id id, double now_s) const {
    const auto found = workers_.find(id);
    if (found == workers_.end()) return false;
    const auto& who = found->second;
    return now_s - who.moved_s > std::max(at_least_s_, pauses * who.longest_gap_s);
  }

 private:
  static constexpr double pauses = 4;

  struct worker {
    uint64_t done_bytes = 0;
    double moved_s = 0;
    double longest_gap_s = 0;
  };

  double at_least_s_;
  std::map<worker_id, worker> workers_;
};

}  // namespace swarm::training
