#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/run_record.hpp"

namespace swarm::campaign {

/// One run in which one worker dies in the middle of a step and nothing else goes wrong. Work is
/// what the engines did, counted over all committed steps; a step needs each microbatch once at
/// every stage, and what goes beyond that was done again.
struct recovery_record {
  run_record run;
  int32_t stage = 0;     ///< of the dead worker
  bool killed = false;   ///< else the fault was left out
  double recover_s = 0;  ///< from the death to the next commit

  // What the dead worker had done of the step in progress.
  uint64_t held = 0;       ///< gradients in its sum since the last commit
  uint64_t forwarded = 0;  ///< microbatches whose forward, or loss, it had computed

  // What was done again.
  uint64_t gradients_there = 0;  ///< at its stage: backwards and losses
  uint64_t forwards_there = 0;   ///< at its stage; a recomputed graph counts
  uint64_t gradients_elsewhere = 0;
  uint64_t forwards_elsewhere = 0;

  /// At its stage no more gradients than it held and no more forwards than it had computed.
  bool bounded_there() const;
  /// What a trainer has saved is not computed again: nothing, since a replay goes to the trainer
  /// that brought the microbatch through. One that had no room needs the other stages for what is
  /// done again.
  bool bounded_elsewhere(bool saved) const;
};

struct recovery_options {
  uint64_t seed = 1;
  int64_t trainers = 1;
  /// What a trainer may keep of the step in progress; 0: every replay begins with the tokens.
  double saved_bytes = 1e6;
};

/// The seed draws the swarm's size and speed, who dies and when.
recovery_record measure_recovery(const recovery_options& options);

}  // namespace swarm::campaign
