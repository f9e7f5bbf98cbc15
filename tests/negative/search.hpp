#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "actors/simulation/scenario.hpp"
#include "tests/negative/plant.hpp"

namespace swarm::negative {

/// Of one run: far more than any run without a bug needs.
inline constexpr uint64_t search_messages_max = 2'000'000;

/// How a planted bug was found, or that it was not.
struct search_result {
  planted_bug bug = planted_bug::none;
  bool found = false;
  std::vector<std::string> rules;  ///< the invariants that failed, the first one first
  std::string what;                ///< what the first one said
  std::string scenario;
  uint64_t seed = 0;
  uint64_t runs = 0;  ///< with the bug, the last one included
  double wall_s = 0;
};

struct search_bounds {
  uint64_t first_seed = 1;
  uint64_t seeds = 1000;
  /// Wall time; a run that has begun is finished.
  double wall_s_max = 600;
};

/// Runs seed after seed, each on scenario number seed modulo their number, with the bug planted
/// until a run violates an invariant which the same run without the bug holds.
search_result search(planted_bug bug, const std::vector<simulation::scenario>& scenarios,
                     const search_bounds& bounds);

std::string to_line(const search_result& result);
/// Precondition: to_line made it.
search_result from_line(const std::string& line);

}  // namespace swarm::negative
