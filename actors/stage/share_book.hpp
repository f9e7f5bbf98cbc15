#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "actors/ids.hpp"
#include "actors/stage/step_guard.hpp"

namespace swarm::stage {

/// A share of a lost member's microbatches (Reduce.losses): index of the member in the group, and
/// of the share.
using share_key = std::pair<uint32_t, uint32_t>;

/// Whose shares they are. Rounds begin anew with each step.
struct share_round {
  step_id step{-1};
  attempt_id attempt;

  friend bool operator==(const share_round& a, const share_round& b) {
    return a.step == b.step && a.attempt == b.attempt;
  }
  friend bool operator!=(const share_round& a, const share_round& b) { return !(a == b); }
};

/// The shares that this worker computes again for others while their all-reduce is repaired,
/// without actors or numbers. Each has a sum and a set of its own beside the worker's; nothing here
/// touches that one.
///
///   open --all its microbatches are in--> complete --next attempt--> gone
///
/// Every microbatch enters a share's sum once, whatever is repeated; a complete share does not
/// change any more, since others may have added it already.
class share_book {
 public:
  /// Shares a helper may have at once; the order of one with more is refused by whoever gives it.
  static constexpr size_t shares_max = 8;

  /// The round that is frozen; another one ends all shares.
  void begin(const share_round& round);
  const share_round& round() const { return round_; }

  /// The shares of an order of this attempt that are this worker's. Those it has stay as they are,
  /// also when they are another's now: they may come back, and what the engine has of them is here.
  void assign(const std::map<share_key, microbatch_set>& cuts);

  /// Whether a request may add `index` to this share. `wrong_round`: another step or attempt, or a
  /// share that this worker does not have (yet).
  std::optional<refusal_reason> admit(const share_round& round, share_key which,
                                      microbatch_id index) const;
  /// 1 if it goes to the engine to be added, 0 if it is in the sum or on its way there.
  /// Precondition: admitted.
  int weight(share_key which, microbatch_id index);
  /// The engine has answered a request of weight 1. True: the share is complete now.
  bool computed(const share_round& round, share_key which, microbatch_id index, bool counted);

  /// Microbatches that are in, of those that shall be.
  std::pair<size_t, size_t> progress() const;
  size_t size() const { return shares_.size(); }

 private:
  struct share {
    microbatch_set cut;
    microbatch_set held;
    std::set<microbatch_id> computing;
    bool complete() const { return held.size() == cut.size(); }
  };

  share_round round_;
  std::map<share_key, share> shares_;
};

}  // namespace swarm::stage
