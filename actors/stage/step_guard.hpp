#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "actors/ids.hpp"

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
  wrong_shape
};

struct refusal {
  refusal_reason reason = refusal_reason::behind;
  term_id term{0};
  step_id version{0};
  round_id frozen_round{0};
};

/// A step has no more; a request for another is malformed.
inline constexpr int64_t microbatches_max = int64_t{1} << 20;

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

/// The step transaction as one stage worker sees it, without actors or numbers: which requests may
/// touch the gradient sum, and which microbatches are in it.
///
///   serving --gather(r)--> frozen(r) --request of round > r--> serving in that round
///      frozen --reduce(r)--> reduced --commit(r)--> version + 1, empty set, serving
///
/// Every decision is a function of (term, step, round) and of what was admitted before, so repeats
/// and late arrivals are harmless in any order.
class step_guard {
 public:
  explicit step_guard(step_id version) : version_(version) {}

  step_id version() const { return version_; }
  term_id term() const { return term_; }
  round_id frozen_round() const { return frozen_round_; }
  const microbatch_set& held() const { return held_; }

  /// A forward reads the parameters and changes nothing else.
  std::optional<refusal> admit_read(term_id term, step_id step);

  /// Whether a request may change the gradient sum.
  std::optional<refusal> admit_accumulate(term_id term, step_id step, round_id round);

  /// The weight that really goes into the sum: a repeat of +1, or a -1 for something not held,
  /// weighs 0. Precondition: admitted.
  int effective_weight(microbatch_id index, int weight) const;

  /// The engine has done it.
  void accumulated(microbatch_id index, int weight);

  std::optional<refusal> gather(term_id term, step_id step, round_id round);
  std::optional<refusal> drop(term_id term, step_id step, round_id round);
  std::optional<refusal> reduce(term_id term, step_id step, round_id round);

  /// The engine is about to take this round's sum in place of any other's.
  void reducing(round_id round) {
    if (reduced_round_ != round) reduced_round_ = round_id{0};
  }

  /// Reduced in the round that is frozen: the commit may be on its way, and who has seen it before
  /// us may be ahead.
  bool may_follow() const {
    return reduced_round_ != round_id{0} && reduced_round_ == frozen_round_;
  }

  /// The all-reduce of this round has ended with a result here.
  void reduced(round_id round) { reduced_round_ = round; }

  /// Refuses `ahead` when already committed, `wrong_round` when nothing was reduced in `round`.
  std::optional<refusal> commit(term_id term, step_id step, round_id round);

  /// The optimizer step is done, or state of `version` was loaded: nothing is held.
  void advance(step_id version);

 private:
  std::optional<refusal> check(term_id term, step_id step);
  refusal because(refusal_reason reason) const;

  step_id version_;
  term_id term_{0};
  round_id frozen_round_{0};   ///< rounds up to this one are closed; 0: none
  round_id reduced_round_{0};  ///< 0: none
  microbatch_set held_;
};

}  // namespace swarm::stage
