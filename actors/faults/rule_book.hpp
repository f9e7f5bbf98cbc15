#pragma once

#include <deque>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "actors/faults/rules.hpp"
#include "actors/random.hpp"

namespace swarm::faults {

/// The rules of one link and what they owe to answers that are still out. Not thread-safe.
class rule_book {
 public:
  /// Requests whose answer a rule waits for; beyond it the oldest is forgotten.
  static constexpr size_t owed_max = 4096;

  void add(rule what);
  /// Rules that have already chosen a request still change its answer.
  void clear() { rules_.clear(); }

  /// Applies the first rule that chooses the message, or what was owed to the answer. Returns the
  /// stall that comes with it.
  std::chrono::nanoseconds apply(const passage& message, fate& chosen, splitmix64& random,
                                 fault_counts& counts);

 private:
  struct active {
    std::shared_ptr<const rule> what;
    uint64_t matched = 0;
    uint64_t used = 0;
  };
  using call = std::tuple<direction, caf::actor_id, uint64_t>;

  static bool chooses(active& candidate, const passage& message, splitmix64& random);
  void owe(const passage& request, std::shared_ptr<const rule> what);
  void settle(const passage& answer, fate& chosen, fault_counts& counts) const;

  std::vector<active> rules_;
  std::map<call, std::shared_ptr<const rule>> owed_;
  std::deque<call> oldest_first_;
};

}  // namespace swarm::faults
