#pragma once

#include <cstdint>
#include <optional>

#include "actors/ids.hpp"
#include "actors/invariant.hpp"

namespace swarm::rebalancing {

/// The one wish that a peer has put to the coordinator that leads, and when its answer is given up.
/// Without actors or clock: the leader answers between two steps, which may be a second or an hour
/// apart, so its announced versions are the clock.
///
///     state   event                                       next     what
///     silent  ask                                         asking   a serial for the answer
///     asking  the answer with this serial                 silent   it counts
///     asking  the leader is gone, or another leads        silent   an answer no longer counts
///     asking  the leader has made two steps since         silent   question or answer was lost
///     any     an answer with another serial               same     it does not count
///
/// Guarded against: 1. a peer asks in the middle of a step; 2. it gives up while the step lasts;
/// 3. the step ends, the leader grants the move to somebody who does not listen any more, and keeps
/// both stages closed to others until the grant expires. So while the leader does not come on,
/// the question stays open however long that is.
class question {
 public:
  bool open() const { return asked_.has_value(); }

  /// Precondition: none is open.
  uint64_t ask(worker_id leader, step_id version) {
    SWARM_INVARIANT(!open(), "a peer has one question open at a time");
    asked_ = asked{leader, version};
    return ++serial_;
  }

  /// Who leads now, if anybody, and the version that it has announced.
  void observe(std::optional<worker_id> leader, step_id version) {
    if (!open()) return;
    if (leader != asked_->leader || asked_->version.next() < version) asked_.reset();
  }

  /// Whether the answer counts.
  bool answered(uint64_t serial) {
    if (!open() || serial != serial_) return false;
    asked_.reset();
    return true;
  }

 private:
  struct asked {
    worker_id leader;
    step_id version;
  };
  std::optional<asked> asked_;
  uint64_t serial_ = 0;
};

}  // namespace swarm::rebalancing
