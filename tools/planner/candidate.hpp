#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tools/planner/plan.hpp"

namespace swarm::planner {

/// One number of stages: who would serve what.
struct candidate {
  int64_t stages = 0;
  std::vector<stage_load> loads;
  placement where;
  limits limit;
  double step_estimate_s = 0;
  double availability = 1;  ///< share of the rate that is left with who is away

  double estimate(const workload& work) const {
    return work.tokens_per_step() / step_estimate_s * availability;
  }
};

/// A refusal, and how far it is from fitting: needed over there; more is worse.
struct misfit {
  std::string sentence;
  double excess = 0;
  /// Whose memory it is, if other peers might do.
  std::optional<size_t> stage = std::nullopt;
  size_t kind = 0;
};

/// Checks model, memory and peers. The estimate of a step: its microbatches at the tightest limit,
/// one microbatch's way through the empty pipeline, the step's end.
std::variant<candidate, misfit> try_stages(const question& asked, int64_t stages);

/// Microbatches that wait at one peer of this kind for their backward, at most: its share of what
/// is under way, rounded up, and one for chance. The last stage keeps none.
double held_by(const question& asked, const candidate& what, size_t stage, size_t kind);

/// What the time-outs of the program forbid: a sentence, or nothing.
std::string check_timeouts(const question& asked, const replay_result& step);

std::string gibibytes(double bytes);
/// "2.1 GiB = weights 0.5 + moments 1.0 + gradients 0.5 + activations 0.1"
std::string describe(const stage_memory& need);

}  // namespace swarm::planner
