#pragma once

#include <vector>

#include "actors/faults/fault_plan.hpp"

namespace swarm::faults {

/// A peer, or any part of a program, that faults happen to. Implemented by the simulator for its
/// hosts and by supervised_subject for children of a supervision tree. None of these waits, and
/// each is harmless when repeated or out of place.
class subject {
 public:
  virtual ~subject();

  /// Ends at once, without a word.
  virtual void kill() = 0;
  /// Comes back as a new incarnation, with what it kept on disk or as a newcomer.
  virtual void restart(bool with_state) = 0;
  /// Stops hearing and answering; nobody is told.
  virtual void freeze() = 0;
  virtual void thaw() = 0;
  /// So many times slower than it is by nature; 1: at full speed.
  virtual void slow(double factor) = 0;
  /// Says goodbye and ends.
  virtual void leave() = 0;
};

/// Begins (`on`) or ends a fault of a plan. False: not a fault of peers but of paths or devices,
/// which is up to the caller. Throws std::invalid_argument if the plan names a subject beyond
/// `all`; nobody has been hit then.
///
///                           begins        ends
///     kill                  kill          restart(false): a replacement
///     restart_with_state    kill          restart(true)
///     restart_without_state kill          restart(false)
///     stage_loss            kill          restart(false)
///     leave, mass_leave     leave         restart(false)
///     freeze                freeze        thaw
///     slow                  slow(factor)  slow(1)
bool apply(const planned_fault& fault, bool on, const std::vector<subject*>& all);

}  // namespace swarm::faults
