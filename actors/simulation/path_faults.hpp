#pragma once

#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "actors/faults/fault_plan.hpp"
#include "actors/simulation/virtual_network.hpp"

namespace swarm::simulation {

/// Carries out the faults of a plan that happen to paths: partitions, half-open connections and
/// clogged paths. (Those of peers: faults::apply, on hosts.) Faults on one path may overlap: it is
/// whole when the last one has ended. A flapping partition begins and ends with every event of the
/// plan's timeline.
class path_faults {
 public:
  /// `hosts` by the plan's subjects. A clogged path is as `clogged` says.
  path_faults(virtual_network& net, std::vector<host_id> hosts, const path_conditions& clogged);

  /// Begins (`on`) or ends a fault, named by its index in the plan. False: not one of paths.
  bool apply(size_t index, const faults::planned_fault& fault, bool on);

 private:
  using path = std::pair<host_id, host_id>;

  void cut(size_t index, const faults::planned_fault& fault, cut_kind kind);
  /// Calls with each path of the fault whose first fault of this kind begins, or last one ends.
  void each_path(const faults::planned_fault& fault, bool on, std::map<path, int>& count,
                 const std::function<void(host_id, host_id)>& change);

  virtual_network& net_;
  std::vector<host_id> hosts_;
  path_conditions clogged_;
  std::map<size_t, partition_id> cuts_;  ///< by fault
  std::map<path, int> blocks_;
  std::map<path, int> clogs_;
};

}  // namespace swarm::simulation
