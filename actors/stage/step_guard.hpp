#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/ids.hpp"
#include "actors/limits.hpp"

namespace swarm::stage {

/// Why a request is turned away; the same as schemas::Refusal::Reason, in its order.
enum class refusal_reason : uint8_t {
  lower_term,
  behind,
  ahead,
  frozen,
  not_serving,
  activation_missing,
  overloaded,
  wrong_round,
  non_finite,
  out_of_memory,
  wrong_shape,
  restoring
};

struct refusal {
  refusal_reason reason = refusal_reason::behind;
  term_id term{0};
  step_id version{0};
  round_id frozen_round{0};
  history_id history{0};     ///< of `version`
  uint64_t done_bytes = 0;   ///< of a state that is being fetched
  uint64_t total_bytes = 0;  ///< 0: none is, or nobody knows yet
};

/// One bit per microbatch of a step.
class microbatch_set {
 public:
  bool contains(microbatch_id index) const;
  void insert(microbatch_id index);
  void erase(microbatch_id index);
  void clear() { bytes_.clear(); }
  size_t size() const;

  /// Bit i of byte i/8.
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

/// The sum over the whole stage that a commit would apply.
struct reduced_sum {
  attempt_id attempt;
  std::string hash;
  double squared_norm = 0;
  uint32_t counted = 0;  ///< microbatches in it
};

/// The commit that made the present version.
struct last_commit {
  attempt_id attempt;  ///< none: nobody knows any more
  double scale = 0;
  uint32_t counted = 0;
  std::string hash = {};  ///< of the sum; empty: not known any more
};

/// The step transaction as one stage worker sees it, without actors or numbers: which requests may
/// touch the gradient sum, and which microbatches are in it.
///
///   serving --gather(r)--> frozen(r) --request of round > r--> serving in that round
///      frozen --reduce(r)--> reduced --commit(r)--> version + 1, empty set, serving
///
/// Every decision is a function of (term, step, round) and of what was admitted before, so repeats
/// and late arrivals are harmless in any order. A higher term makes all rounds of lower ones old; a
/// sum that was reduced in an older term stays, so that the new coordinator may commit it.
class step_guard {
 public:
  explicit step_guard(step_id version) : version_(version) {}

  step_id version() const { return version_; }
  term_id term() const { return term_; }
  history_id history() const { return history_; }
  weights_id weights() const { return {history_, version_}; }
  attempt_id frozen() const { return frozen_; }
  const microbatch_set& held() const { return held_; }
  const reduced_sum& sum() const { return reduced_; }
  const last_commit& committed() const { return committed_; }

  /// With where it stands.
  refusal because(refusal_reason reason) const;

  /// A forward reads the parameters and changes nothing else. `history`: of the weights that it is
  /// for; who stands in an earlier one is behind, whatever its version.
  std::optional<refusal> admit_read(term_id term, step_id step, history_id history = {});

  /// Whether a request may change the gradient sum.
  std::optional<refusal> admit_accumulate(term_id term, step_id step, round_id round,
                                          history_id history = {});

  /// The weight that really goes into the sum: a repeat of +1, or a -1 for something not held,
  /// weighs 0. Precondition: admitted.
  int effective_weight(microbatch_id index, int weight) const;

  /// The engine has done it.
  void accumulated(microbatch_id index, int weight);

  /// From here on no lower term is obeyed.
  std::optional<refusal> take_over(term_id term);
  std::optional<refusal> gather(term_id term, step_id step, round_id round);
  std::optional<refusal> drop(term_id term, step_id step, round_id round);
  std::optional<refusal> reduce(term_id term, step_id step, round_id round);

  /// The engine is about to take this attempt's sum in place of any other's.
  void reducing(attempt_id attempt) {
    if (reduced_.attempt != attempt) reduced_ = {};
  }

  /// Reduced in the round that is frozen: the commit may be on its way, and who has seen it before
  /// us may be ahead.
  bool may_follow() const { return !reduced_.attempt.none() && reduced_.attempt == frozen_; }

  /// The all-reduce of this attempt has ended with a result here.
  void reduced(reduced_sum sum) { reduced_ = std::move(sum); }

  /// `attempt` names the sum, which may be of a lower term. Refuses `ahead` when already committed,
  /// `wrong_round` when that sum is not here.
  std::optional<refusal> commit(term_id term, step_id step, attempt_id attempt);

  /// State of `version` was loaded: nothing is held.
  void advance(step_id version);

  /// The weights are of this history from now on.
  void belongs_to(history_id history) { history_ = history; }

  /// The state of `version` was loaded, which `commit` made; perhaps with a sum that a coordinator
  /// may be about to commit.
  void resume(weights_id weights, last_commit commit, reduced_sum sum = {}) {
    history_ = weights.history;
    advance(weights.version);
    committed_ = commit;
    // Whoever had a part in them has obeyed their terms.
    term_ = std::max({term_, commit.attempt.term, sum.attempt.term, term_id{history_.value()}});
    frozen_ = sum.attempt;
    reduced_ = std::move(sum);
  }

  /// Which commit made the present version; for who has heard of its steps before its state came.
  void made_by(last_commit commit) {
    committed_ = commit;
    term_ = std::max(term_, commit.attempt.term);
  }

  /// The optimizer step with the reduced sum is being made: the next version, nothing is held.
  void commit_applied(double scale, uint32_t counted);

 private:
  std::optional<refusal> check(term_id term, step_id step, history_id history = {});

  step_id version_;
  history_id history_{0};
  term_id term_{0};
  attempt_id frozen_;  ///< attempts up to this one are closed
  reduced_sum reduced_;
  last_commit committed_;
  microbatch_set held_;
};

}  // namespace swarm::stage
