#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace swarm::experiments {

/// What `swarm up` said while it ran.
struct up_outcome {
  bool finished = false;   ///< every trainer said so
  int64_t last_step = -1;  ///< the highest that was printed
  int64_t printed = 0;     ///< steps that were printed
  /// A step that is printed after a later one was taken back and made again.
  int64_t taken_back = 0;
  int64_t kills = 0;
  int64_t kills_of_leaders = 0;
  double seconds = 0;               ///< from the first step to the last
  double longest_pause_s = 0;       ///< between two steps
  double first_step_seconds = 0;    ///< from the start
  std::vector<std::string> hashes;  ///< of the weights, one per trainer
  double validation_loss = 0;
  std::string complaint;  ///< the last line on an error
};

/// Runs `swarm up` with these arguments and prints its lines if `verbose`; steps are taken from
/// them, so --line-every should be 1.
up_outcome run_up(const std::vector<std::string>& arguments, bool verbose);

}  // namespace swarm::experiments
