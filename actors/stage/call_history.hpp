#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace swarm::stage {

/// Whether a device still does what it is asked, as told from how its calls end and how long they
/// take. Without actors or clock: time comes in as seconds, the kinds of calls as indices.
///
///     state    event                                            next
///     idle     begin                                            busy
///     busy     the last call that is out ends                   idle
///     busy     look: the oldest call has taken longer than      hung
///              `multiple` times what its kind takes
///     any      end: `failures_max` failures of one kind with    failing
///              no success of that kind between
///     hung, failing                                             for good
///
/// The device serves one call after the other, so the oldest call's time counts from the end of the
/// one before it. Time in which nobody looked, because the machine slept or the process was
/// stopped, does not count: the device slept, too.
class call_history {
 public:
  struct options {
    /// What a call may take, times the mean of its kind.
    double multiple = 20;
    /// Shorter silences are never a hang: a restart costs the fetch of a state.
    double shortest_s = 30;
    /// For a kind that has never ended, if that is longer than `multiple` times the longest mean of
    /// the others: kernels are tuned and memory is touched for the first time.
    double first_s = 600;
    uint32_t failures_max = 3;
  };
  enum class outcome : uint8_t {
    done,
    refused,  ///< for a reason that is the caller's or will pass: says nothing
    failed,   ///< the device is at fault
  };
  enum class verdict : uint8_t { fine, failing, hung };

  call_history(size_t kinds, const options& given);

  /// A call has gone to the device; its number for `end`.
  uint64_t begin(size_t kind, double now_s);
  void end(uint64_t call, outcome what, double now_s);
  /// While busy, at least every look_period_s.
  void look(double now_s);

  verdict now() const { return verdict_; }
  bool busy() const { return !out_.empty(); }
  double look_period_s() const { return options_.shortest_s / 3; }
  /// What a call of this kind may take.
  double limit_s(size_t kind) const;

 private:
  struct call {
    uint64_t id;
    size_t kind;
  };
  struct kind_record {
    double mean_s = 0;
    double weight = 0;  ///< of the moving average; 0: never measured
    uint32_t failures = 0;
  };

  void pass(double now_s);
  void check_invariants() const;

  options options_;
  std::vector<kind_record> kinds_;
  std::deque<call> out_;  ///< oldest first
  uint64_t last_ = 0;
  double seen_s_ = 0;    ///< of the last event
  double oldest_s_ = 0;  ///< so long the oldest call has been at the device, awake
  verdict verdict_ = verdict::fine;
};

const char* to_string(call_history::verdict what);

}  // namespace swarm::stage
