#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>

#include "actors/supervision/backoff.hpp"

namespace swarm::supervision {

/// Time since any fixed point; never runs backwards.
using monotonic_time = std::chrono::nanoseconds;

/// Which siblings share the fate of a child that is restarted.
enum class restart_strategy : std::uint8_t {
  one_for_one,  ///< nobody
  one_for_all,  ///< everybody
  rest_for_one  ///< those that were started after it
};

/// When a child that ended by itself is started again.
enum class restart_type : std::uint8_t {
  permanent,  ///< always
  transient,  ///< when it failed
  temporary   ///< never: it is forgotten
};

enum class exit_kind : std::uint8_t {
  clean,  ///< it finished, or did as it was told
  failed
};

enum class child_state : std::uint8_t {
  waiting,  ///< for its back-off, or for siblings that must stop first
  running,
  stopping,  ///< told to stop, or about to be told
  ended      ///< stays down
};

/// A stop without a limit: for children that are supervisors, which bound their own.
inline constexpr std::chrono::milliseconds no_shutdown_limit = std::chrono::milliseconds::max();
/// A child that has not ended this long after it was killed is reported as stuck.
inline constexpr std::chrono::milliseconds kill_grace{5'000};

struct policy_options {
  restart_strategy strategy = restart_strategy::one_for_one;
  /// Restarts allowed within any window of `period`; the next one escalates instead.
  std::uint32_t intensity = 3;
  std::chrono::milliseconds period{5'000};
  backoff_options backoff;
};

/// A sentence about what is wrong with the options; null when they are fine.
const char* complaint(const policy_options& options);

/// Children are numbered in start order; a number is never used twice.
using child_key = std::uint64_t;

struct policy_action {
  enum class kind : std::uint8_t {
    start,         ///< start it, then call started() or start_failed()
    stop,          ///< ask it to stop
    kill,          ///< it did not stop in time: kill it
    report_stuck,  ///< it outlived its kill; it is waited for all the same
    finish         ///< after close() or an escalation: every child is down
  };
  kind what;
  child_key child;  ///< 0 for finish
};

struct verdict {
  enum class kind : std::uint8_t {
    stopped,  ///< as it had been told
    ended,    ///< by itself, and stays down
    restart,  ///< it and those who share its fate, after `delay`
    escalate  ///< too many restarts: everything is stopped, then finish
  };
  kind what;
  std::chrono::nanoseconds delay{0};
};

/// What an OTP supervisor decides, without actors: the caller reports what happened to the children
/// and then does what next() says until it says nothing, again at next_wakeup() if not before.
///
///     exited(c) ---> [stop last ... stop first] ---> back-off ---> [start first ... start last]
///
/// Children are stopped one at a time, in reverse start order, each waited for before the next.
/// With one_for_all and rest_for_one nothing starts before everything that has to stop has stopped,
/// so a started child only sees siblings of its own generation. With one_for_one children are
/// independent until close(). One failure counts as one restart, however many siblings share it.
class restart_policy {
 public:
  restart_policy(policy_options options, std::mt19937_64 generator);

  /// Behind all others in start order; next() will start it. Not after close().
  child_key add(restart_type type, std::chrono::milliseconds shutdown_timeout);

  /// The two answers to a start action. A failed start counts as a failure of the child.
  void started(child_key child, monotonic_time now);
  verdict start_failed(child_key child, monotonic_time now);

  /// A running or stopping child has ended.
  verdict exited(child_key child, exit_kind kind, monotonic_time now);

  /// Stops the child alone; it stays down until restart(). A temporary one is forgotten.
  void terminate(child_key child);
  /// Stops, if need be, and starts the child and those who share its fate, without a back-off.
  /// Does not count as a restart: somebody wanted it.
  void restart(child_key child, monotonic_time now);
  /// Stops all children; ends in a finish action. Nothing is started any more.
  void close();

  /// What to do now, one thing at a time; none: wait.
  std::optional<policy_action> next(monotonic_time now);
  /// When to call next() if nothing else happens; none: never.
  std::optional<monotonic_time> next_wakeup() const;

  bool knows(child_key key) const { return children_.count(key) != 0; }
  bool closing() const { return closing_; }
  child_state state(child_key child) const;

 private:
  enum class life : std::uint8_t { down, starting, up, stopping, killed };

  struct child {
    restart_type type;
    std::chrono::milliseconds shutdown_timeout;
    life alive = life::down;
    bool wanted = true;       // to be started once it is down
    bool must_stop = false;   // up, and next in line to be told to stop
    bool terminated = false;  // by command: a sibling's failure does not bring it back
    std::uint32_t failures = 0;
    monotonic_time due{};       // not started before
    monotonic_time up_since{};  // of the latest start
    monotonic_time deadline{};  // of the stop, then of the kill
  };
  using child_map = std::map<child_key, child>;

  bool independent() const;
  bool any_stopping() const;
  bool any_must_stop() const;
  child& at(child_key key);
  verdict end(child_map::iterator it);
  verdict fail(child_key key, monotonic_time now);
  bool shares_fate(child_key victim, child_key culprit) const;
  void restart_with_siblings(child_key culprit, monotonic_time due, bool at_once);
  bool too_many_restarts(monotonic_time now);
  std::optional<policy_action> next_overdue(monotonic_time now);
  std::optional<policy_action> next_stop(monotonic_time now);
  std::optional<policy_action> next_start(monotonic_time now);

  policy_options options_;
  std::mt19937_64 generator_;
  child_map children_;
  child_key last_key_ = 0;
  std::deque<monotonic_time> restarts_;  // within the period
  bool closing_ = false;
};

}  // namespace swarm::supervision
