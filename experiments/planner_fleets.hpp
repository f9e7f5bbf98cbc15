#pragma once

#include <cstdint>
#include <optional>

#include "tools/planner/plan.hpp"

namespace swarm::experiments {

/// A plan for a random fleet, and what the production actors made of it.
struct fleet_comparison {
  planner::question asked;
  planner::plan made;
  double predicted_tokens_per_s = 0;  ///< with what the simulator knows
  double simulated_tokens_per_s = 0;  ///< from the mean step of all runs
  double virtual_s = 0;               ///< these two: of all runs together
  int64_t steps = 0;
  bool faultless = false;  ///< all invariants held

  double error() const { return predicted_tokens_per_s / simulated_tokens_per_s - 1; }
};

/// Draws a model, a batch, trainers and two to four kinds of peers, unequal in all they have. The
/// plan of some draws is refused, or its step takes longer than the simulator's leases last:
/// nothing.
///
/// The simulator's gradients have 32 bytes and its messages cost no time: the prediction that is
/// compared is the replay of the same plan with these. Everything else is the plan's: stages, cuts,
/// placement, speeds, latencies, bandwidths, boundary tensors.
///
/// Both sides are means over `fleet_runs` seeds, since routers fall into different habits.
std::optional<fleet_comparison> compare_fleet(uint64_t seed, int64_t steps);

inline constexpr int fleet_runs = 5;

}  // namespace swarm::experiments
