#pragma once

#include <string>

#include "actors/simulation/scenario.hpp"

namespace swarm::experiments {

/// What of a mission the caller may change; the rest is in the scenario.
struct mission_size {
  std::string fleet = "mission";  ///< or "field"
  double hours = 8;
  int64_t stages = 4;
  int64_t peers_per_stage = 0;  ///< 0: as the fleet has them
  int64_t trainers = 0;         ///< 0: as the fleet has them
  int64_t microbatches = 4096;
  double parameters = 250e6;  ///< per stage
  double mean_life_s = -1;    ///< 0: nobody dies or leaves; below: as the fleet has it
};

/// mission: equal peers at 200 Mb/s and 5 TFLOP/s that live for an hour in the mean. field: 330
/// nodes on lines of 213 to 7,700 Mb/s, 28 ms apart, some ten times as fast as others, that live
/// for 22 days (607 of them left in 40 days).
simulation::scenario mission_scenario(const mission_size& size);

}  // namespace swarm::experiments
