#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "actors/ids.hpp"

namespace swarm::training {

/// Tells a run that no longer trains from one that has a bad moment. No actors, no clock.
///
/// Law. Each step is ordinary or bad. Bad steps in a row add up points, an ordinary one takes all
/// of them away, and at 100 the run has diverged:
///
/// - nothing counted, or the mean loss or the gradient's norm is not finite: 34, so the third ends
///   the run (each microbatch has been tried by several workers before it is dropped);
/// - fewer than half of the microbatches counted: 10;
/// - the loss is above `loss_bound` = 2 * lowest + 1 nat, where lowest is the lowest mean of 16
///   ordinary steps in a row, and before that the loss of a guess that knows nothing: 1, or 10 when
///   it is above ten times the bound;
/// - the gradient's norm is above 1000 times the highest mean of 16 ordinary steps in a row, which
///   counts as 1 at least: 1.
///
/// So a spike may last a hundred steps; what is above ten times the bound for ten steps is further
/// off than weights that never saw any data. The nat keeps losses near zero (memorised data) from
/// being compared by their ratio alone. A loss that is merely bad, or that has stopped falling, is
/// none of this class' business.
///
/// A trainer that takes over begins a history of its own.
class divergence {
 public:
  struct observation {
    step_id step;
    int64_t microbatches = 1;  ///< of the step
    int64_t counted = 1;       ///< of those that were not dropped
    /// Mean over those whose loss is known, nats; nothing if none is: then it is not looked at.
    std::optional<double> loss;
    double gradient_norm = 0;  ///< before clipping
  };

  /// `uniform_loss`: ln of the vocabulary, nats; 0: not known, the first 16 steps are believed.
  explicit divergence(double uniform_loss = 0);

  /// Steps in their order; one that is taken back may come again. True: diverged, for good.
  bool observe(const observation& o);
  /// The same for one that could not be made at all; it counts as one of which nothing counts.
  bool observe_broken(step_id step);

  bool diverged() const { return points_ >= points_max; }
  /// Bad steps are being counted: nothing that is kept now is known to be good.
  bool suspects() const { return points_ > 0; }

  /// Nothing while there is no history.
  std::optional<double> loss_bound() const;

  /// "diverged at step 40: ...": what was seen, the last good step, and what to try. Precondition:
  /// diverged.
  std::string sentence() const;

 private:
  static constexpr int points_max = 100;

  int points_of(const observation& o);
  void ordinary(const observation& o);
  std::optional<double> norm_bound() const;

  std::optional<double> lowest_;
  std::optional<double> highest_norm_;
  std::deque<double> losses_;  ///< of the last ordinary steps in a row
  std::deque<double> norms_;
  int points_ = 0;
  int64_t bad_steps_ = 0;
  std::optional<step_id> first_bad_;
  std::string seen_;
};

/// What to try, as the end of a sentence.
inline constexpr const char* divergence_advice =
    "try a lower --lr, a longer --warmup or a smaller --clip";

}  // namespace swarm::training
