#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>

#include "actors/ids.hpp"
#include "actors/training/microbatch_run.hpp"

namespace swarm::training {

/// Calls tried for one stage of one microbatch before its lease is given back.
inline constexpr uint32_t attempts_max = 32;
/// What so many workers, or one so often, say does not fit.
inline constexpr uint32_t misfits_max = 2;

/// Why a call has not brought what it was for.
enum class call_failure : uint8_t {
  round_over,  ///< whatever is still missing will be leased again
  not_finite,
  no_graph,   ///< the worker needs the input, too
  gone,       ///< its worker is; nobody works on it any more
  misfit,     ///< the tensors do not fit the stage: an earlier stage may have answered nonsense
  refused,    ///< or an answer that is none
  timed_out,  ///< somebody may still work on it
};

/// The life of one lease under way at a trainer. No actors; time comes in as seconds.
///
///     state     event                                     next
///     choosing  sent                                      calling
///     choosing  nobody can be asked                       resting (*)
///     choosing  skip: whom it must go to is gone          choosing, the next call
///     calling   answered                                  choosing, the next call
///     calling   failed: round_over, not_finite            over
///     calling   failed: no_graph, the first time          choosing, with the input
///     calling   failed: else, of a call for `only` one    resting (*)
///     calling   failed: else, may be made again           choosing, without that worker (*)
///     calling   failed: else                              resting (*)
///     resting   woken                                     choosing
///     choosing  no calls are left                         over: done
///
/// (*) With attempts_max attempts of one call, or misfits_max misfits: over, returned. What was
/// saved of the microbatch may be why it fails, so the next attempt begins with the tokens
/// (`forget_saved`).
///
/// Guarded against: 1. a call times out, and is made elsewhere; 2. its answer comes after all. Each
/// call has a serial, and only the answer to the last one counts.
class lease_run {
 public:
  enum class state : uint8_t { choosing, calling, resting, over };

  /// `most`: attempts of one call.
  lease_run(lease_item item, round_id round, std::deque<stage_call> calls,
            uint32_t most = attempts_max);

  const lease_item& item() const { return item_; }
  round_id round() const { return round_; }
  state now() const { return state_; }

  // While it is not over.
  const stage_call& call() const { return calls_.front(); }
  size_t stage() const { return static_cast<size_t>(calls_.front().stage.value()); }
  /// The call brings the stage's input, though the worker has run the forward.
  bool sends_input() const { return sends_input_; }
  /// Tried for this call, in vain.
  const std::set<worker_id>& avoid() const { return avoid_; }
  uint32_t attempts() const { return attempts_; }
  bool is_last_call() const { return calls_.size() == 1; }

  /// The call that is out.
  worker_id worker() const { return worker_; }
  double sent_s() const { return sent_s_; }
  bool waits_for(uint64_t serial) const { return state_ == state::calling && serial == serial_; }
  bool waits_for(worker_id worker) const { return state_ == state::calling && worker == worker_; }

  void sent(worker_id worker, uint64_t serial, double now_s);
  void answered();
  /// `at_once`: it may be made again without a rest.
  void failed(call_failure why, bool at_once = true);
  void nobody();
  void skip();
  /// A rest has this serial, so that the alarm of an earlier one wakes nobody.
  void rests(uint64_t serial) { serial_ = serial; }
  bool woken(uint64_t serial);

  // Once it is over.
  lease_outcome outcome() const { return outcome_; }
  bool forget_saved() const { return forget_saved_; }

  // For the report.
  double loss = 0;
  uint32_t recomputed = 0;
  uint64_t last_stage = 0;    ///< bit s: stage s answered the last call, with `worker()`
  term_id seen_term{0};       ///< the highest in a refusal
  weights_id seen_weights{};  ///< the same
  uint32_t retries() const { return retries_; }

 private:
  void next_call();
  void end(lease_outcome outcome, bool forget_saved);
  void check_invariants() const;

  lease_item item_;
  round_id round_;
  std::deque<stage_call> calls_;
  uint32_t most_;
  state state_ = state::choosing;
  uint64_t serial_ = 0;
  worker_id worker_;
  double sent_s_ = 0;
  // Of the front call.
  uint32_t attempts_ = 0;
  uint32_t misfits_ = 0;
  std::set<worker_id> avoid_;
  bool sends_input_ = false;
  uint32_t retries_ = 0;
  lease_outcome outcome_ = lease_outcome::done;
  bool forget_saved_ = false;
};

}  // namespace swarm::training
