#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "actors/faults/fault_class.hpp"
#include "actors/faults/link.hpp"
#include "actors/faults/rules.hpp"

namespace swarm::faults {

/// What happens to the messages of one direction. Probabilities are per message.
struct weather {
  double loss = 0;
  double duplication = 0;
  double corruption = 0;  ///< of messages that may be damaged: conditions::damage_only
  double truncation = 0;
  std::chrono::nanoseconds delay_min{0};
  std::chrono::nanoseconds delay_tail_mean{0};  ///< exponential, on top
  std::chrono::nanoseconds reorder_window{0};   ///< uniform in [0, window), on top
};

/// Frames of swarm::wire, which are found out when they are damaged.
bool carries_frame(const passage& message);

/// How the links made with it behave: a path's weather, a peer that is frozen or cut off, a slow
/// device, single faults. Thread-safe, changed at any time, used by any number of links; under
/// CAF's testing scheduler the same seed gives the same run.
///
/// When it goes, what it holds is lost and its links pass everything. Declare it after the actor
/// system. Bad arguments: std::invalid_argument with a sentence of errc.
class conditions {
 public:
  explicit conditions(uint64_t seed, weather both_ways = {});
  ~conditions();
  conditions(const conditions&) = delete;
  conditions& operator=(const conditions&) = delete;

  void set(const weather& both_ways);
  void set(direction way, const weather& value);

  /// Messages are held until the thaw, those under way too: a frozen process, or with one direction
  /// a clogged socket. What the target does of its own accord goes on, but nothing of it leaves.
  void freeze();
  void freeze(direction way);
  void thaw();

  /// Messages vanish: a partition, or with one direction a half-open connection.
  void block();
  void block(direction way);
  void unblock();

  /// The target as a device that serves one message at a time, `factor` times slower than the
  /// `service` time it would need: each waits (factor - 1) * service behind the one before.
  /// Factor 1: at full speed again.
  void slow(double factor, std::chrono::nanoseconds service);

  /// Rules are asked in the order of their addition; the first that chooses a message changes it.
  /// Their matchers must not use this object.
  void add(rule what);
  void clear_rules();

  /// Instead of carries_frame, for message types with a checksum of their own.
  void damage_only(matcher which);

  const fault_counts& counts() const;

  /// What a link asks; for link_to where faulty_link does not fit. Keeps the state, not this.
  std::shared_ptr<link_policy> policy(caf::actor_system& system);

 private:
  class state;
  class follower;

  std::shared_ptr<state> state_;
};

/// A link to `target` under these conditions, and its answers.
template <class Handle>
Handle faulty_link(caf::actor_system& system, const Handle& target, conditions& under,
                   link_options options = {}) {
  return link_to(system, target, under.policy(system), options);
}

}  // namespace swarm::faults
