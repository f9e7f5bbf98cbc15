#pragma once

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/error.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "actors/faults/conditions.hpp"
#include "actors/faults/subject.hpp"

namespace swarm::faults {

struct supervised_options {
  caf::actor supervisor;  ///< of actors/supervision
  std::string child;      ///< its id there
  /// Of the links that lead to the child: freeze, thaw and slow work on them. Null: they do
  /// nothing. Outlives the subject.
  conditions* links = nullptr;
  /// Of one message at full speed, for slow.
  std::chrono::nanoseconds service{std::chrono::milliseconds{1}};
  /// True: a killed child stays down until restart. False: its supervisor deals with the kill.
  bool hold_down = false;
  /// Called before a restart, by the caller of restart: keep or wipe what the next incarnation
  /// starts from.
  std::function<void(bool with_state)> prepare;
  /// Called by a scheduler's thread when a command failed: no such child, supervisor gone.
  std::function<void(const caf::error&)> on_error;
  /// For the supervisor's answers; a restart is answered after an ordered stop.
  std::chrono::milliseconds timeout{10'000};
};

/// A child of a production supervision tree as a subject. kill is an exit message kill to the
/// child, leave a terminate (ordered stop, then it stays down), restart a restart of the
/// supervisor, which takes along who shares the child's fate.
std::unique_ptr<subject> make_supervised_subject(caf::actor_system& system,
                                                 supervised_options options);

}  // namespace swarm::faults
