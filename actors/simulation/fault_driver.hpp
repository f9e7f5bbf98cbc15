#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/faults/fault_plan.hpp"
#include "actors/simulation/fleet.hpp"
#include "actors/simulation/path_faults.hpp"
#include "actors/simulation/scenario.hpp"

namespace swarm::simulation {

/// Where a member's engine stands.
struct stand {
  int64_t version = -1;  ///< -1: nowhere yet
  bool has_sum = false;  ///< of a step that it has not committed
  int32_t stage = -1;    ///< whose state it is; who has moved may not have the new one's yet
};

/// Carries a plan of faults out on a fleet and its network. It leaves out what nothing could bring
/// back. Where there are backups (`keep_every`), that is the last copy of a stage that goes with
/// copies of all others; otherwise the last copy of a stage's newest state: of every
/// stage, at every moment, at least one member that is alive, or will come back with its state,
/// stands at the newest version that any coordinator has decided on, and holds the sum of the next
/// one if the victim does: it may have been promised to a coordinator that is about to decide.
class fault_driver {
 public:
  /// `more` is carried out beside what the scenario asks for. Throws std::invalid_argument for
  /// faults that nobody knows.
  fault_driver(const scenario& what, const faults::fault_plan& more, world& w, virtual_network& net,
               fleet& whom, uint64_t seed);

  const std::vector<faults::plan_event>& timeline() const { return timeline_; }
  /// All faults have ended by then, those of the network's weather included.
  moment duration() const { return duration_; }

  /// Begins or ends a fault. `decided`: steps decided on; `stands`: of the members.
  /// False: it was left out.
  bool carry_out(const faults::plan_event& event, int64_t decided, std::vector<stand>& stands);

  std::string describe(const faults::plan_event& event) const;

  /// Among those who are neither dead nor frozen there are workers enough and a copy of every
  /// stage, and no trainer is frozen: nobody here gives a silent leader up.
  bool can_be_rescued() const;

  /// Faults that have begun, by class.
  const std::map<std::string, uint64_t>& counts() const { return counts_; }

 private:
  bool kill_part(size_t victim, int64_t decided, std::vector<stand>& stands);
  bool end_lives(size_t which, int64_t decided, std::vector<stand>& stands);
  template <class Counts>
  bool common_version(Counts counts, size_t versions_max, std::optional<size_t> returns) const;
  bool recoverable(size_t victim, bool with_state) const;
  bool survivable(size_t victim, bool with_state, int64_t decided,
                  const std::vector<stand>& stands) const;

  world& world_;
  fleet& fleet_;
  std::vector<faults::subject*> subjects_;
  path_faults paths_;
  moment duration_{0};
  faults::fault_plan plan_;
  std::vector<faults::plan_event> timeline_;
  std::map<size_t, std::vector<size_t>> ended_;  ///< by fault: whose lives it really ended
  std::set<size_t> begun_;
  std::map<std::string, uint64_t> counts_;
};

}  // namespace swarm::simulation
