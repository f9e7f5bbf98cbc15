#pragma once

/// What one microbatch's calls at a stage cost, in forwards. The one place that says so: routers
/// choose by it, workers tell their rates by it, the planner replays runs with it.
namespace swarm {

inline constexpr double forward_work = 1;
/// As SWARM (Ryabinin et al. 2023) weighs it: twice a forward by its FLOP, and what memory costs.
inline constexpr double backward_work = 2.5;
/// The last stage does both in one call.
inline constexpr double loss_work = forward_work + backward_work;
/// All of a microbatch at one stage, whichever it is.
inline constexpr double microbatch_work = forward_work + backward_work;

}  // namespace swarm
