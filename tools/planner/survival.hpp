#pragma once

#include <cstdint>
#include <vector>

#include "tools/planner/fleet.hpp"
#include "tools/planner/placement.hpp"
#include "tools/planner/workload.hpp"

namespace swarm::planner {

/// How often nobody is left in a stage.
struct emptiness {
  double share = 0;     ///< of the time
  double per_hour = 0;  ///< how often it becomes empty

  /// That it happens within so many hours.
  double probability(double hours) const;
};

/// Peers come and go independently of each other, each an alternating renewal process; nobody is
/// moved in from another stage. With unavailability u_i and mean absence D_i the stage is empty
/// for a share of prod u_i of the time, and becomes so with the frequency prod u_i * sum 1/D_i,
/// the rate at which it ceases to be (Barlow, Proschan 1975, for parallel systems). When peers of
/// one kind are preempted together, as spot capacity is, it is worse.
emptiness emptiness_of(const fleet& peers, const std::vector<int64_t>& counts);

/// The mean of the smallest stage's rate over who is there, as a share of the rate with everybody:
/// `draws` states of the fleet, from a seed. A stage without anybody counts as rate 0.
double expected_share(const fleet& peers, const std::vector<stage_load>& loads,
                      const placement& where, int draws, uint64_t seed);

}  // namespace swarm::planner
