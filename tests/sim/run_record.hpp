#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "actors/simulation/swarm_run.hpp"

namespace swarm::campaign {

/// A run as its parent process hears of it: the result, the wall time, and what went wrong outside
/// the invariants.
struct run_record {
  simulation::run_result result;
  double wall_s = 0;

  struct finding {
    std::string rule;  ///< an invariant's name, or one of those below
    std::string what;
    double time_s = 0;  ///< virtual
  };
  std::vector<finding> findings;
};

inline constexpr const char* crash_rule = "crash";          ///< the process died, or hung
inline constexpr const char* same_hash_rule = "same_hash";  ///< two runs of one seed differ

/// One run; an exception that comes out of it is a finding.
run_record run_one(const simulation::scenario& what, uint64_t seed,
                   const simulation::model_catalogue& models,
                   const simulation::run_options& options = {});

/// The same run again: other hashes are a finding.
void run_again(run_record& first, const simulation::scenario& what,
               const simulation::model_catalogue& models);

/// One line of JSON.
std::string to_line(const run_record& record);
/// Precondition: to_line made it.
run_record from_line(const std::string& line);

/// What the network does because of a fault that is counted already: messages into a partition or
/// to somebody who was killed.
bool is_consequence(const std::string& fault);
/// Without consequences.
uint64_t injected(const std::map<std::string, uint64_t>& faults);

}  // namespace swarm::campaign
