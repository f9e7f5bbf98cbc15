#pragma once

#include <set>

#include "actors/ids.hpp"

namespace swarm::training {

/// Which workers stand in a history that the run has left, as told from refusals of one step. No
/// actors, no clock.
///
/// Whoever refuses because it is ahead has made this step already, and the round is over; or it has
/// not heard that the run went back, and the step goes on without it. Who believed every such
/// refusal would give back each lease that its router sends there. A worker is a stray if
///
///     1. it is ahead by more than this step, or
///     2. it has said before that this step was over, and the step was leased again since.
class stray_watch {
 public:
  /// `worker` stands at `version` and refuses `step`. True: it is a stray.
  bool ahead(worker_id worker, step_id step, step_id version) {
    if (version <= step.next() && ahead_.insert(worker).second) return false;
    strays_.insert(worker);
    return true;
  }

  const std::set<worker_id>& strays() const { return strays_; }

  /// Another step begins.
  void clear() {
    ahead_.clear();
    strays_.clear();
  }

 private:
  std::set<worker_id> ahead_;  ///< have said so once
  std::set<worker_id> strays_;
};

}  // namespace swarm::training
