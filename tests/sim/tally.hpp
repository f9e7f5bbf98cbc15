#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tests/sim/run_record.hpp"

namespace swarm::campaign {

/// Violations printed one by one; beyond that they are counted.
inline constexpr size_t violations_shown_max = 40;

/// A violation and the run that has it.
struct found_violation {
  std::string scenario;
  uint64_t seed = 0;
  run_record::finding what;
};

/// The runs of one scenario, or of several.
struct tally {
  uint64_t runs = 0;
  uint64_t resumed = 0;  ///< went on to commit after the faults had ended
  uint64_t violated = 0;
  uint64_t messages = 0;
  double virtual_s = 0;
  double wall_s = 0;  ///< of the runs, one core each
  std::vector<double> recovery_s;
  std::vector<double> resume_s;
  std::vector<double> empty_s;
  std::vector<double> steps_back;
  uint64_t too_far_back = 0;
  std::map<std::string, uint64_t> faults;
  std::map<std::string, uint64_t> events;
  simulation::work_counts work;

  void add(const run_record& run);
};

/// The whole campaign.
class campaign_tally {
 public:
  void add(const run_record& run);
  /// A run that took its process with it.
  void add_crash(const std::string& scenario, uint64_t seed, const std::string& how);

  const tally& total() const { return total_; }
  const std::vector<found_violation>& violations() const { return violations_; }
  /// Over all runs' hashes in order of seed, whatever the order in which they came.
  uint64_t combined_hash() const;

  std::string scenario_table() const;
  std::string fault_table() const;
  /// What was reached, and a line with what was not.
  std::string probe_table() const;
  /// Of the scenarios in which stages were rescued; empty without any.
  std::string rescue_table() const;
  std::string work_line() const;
  std::string violation_list(const std::string& program) const;
  nlohmann::json to_json() const;

 private:
  std::map<std::string, tally> by_scenario_;
  tally total_;
  std::vector<found_violation> violations_;
  std::map<uint64_t, uint64_t> hashes_;  ///< by seed
};

/// Of unsorted values, by the nearest rank; 0 of none.
double percentile(std::vector<double> values, double percent);

/// 1234567 as "1,234,567".
std::string grouped(uint64_t number);

}  // namespace swarm::campaign
