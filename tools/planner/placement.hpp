#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "tools/planner/fleet.hpp"
#include "tools/planner/workload.hpp"

namespace swarm::planner {

/// Seconds that one microbatch takes of a peer and of its line.
struct microbatch_seconds {
  double compute = 0;
  double up = 0;
  double down = 0;

  double line() const { return up > down ? up : down; }
  /// The square-cube condition: computing hides the communication.
  bool hidden() const { return compute >= line(); }
  double slowest() const { return hidden() ? compute : line(); }
};

microbatch_seconds seconds_of(const peer_kind& kind, const stage_load& load);

/// How many peers of each kind serve each stage: [stage][kind].
using placement = std::vector<std::vector<int64_t>>;

/// Microbatches per second of a stage's peers together: each does what it and its line can.
double stage_rate(const fleet& peers, const stage_load& load, const std::vector<int64_t>& counts);
/// The smallest of all stages.
double pipeline_rate(const fleet& peers, const std::vector<stage_load>& loads,
                     const placement& where);

/// Whether a peer of a kind can serve a stage: [stage][kind].
using fitness = std::vector<std::vector<bool>>;

/// Places every peer that can serve some stage. Peers with the fewest stages to choose from come
/// first, then the fastest; each goes to the stage with the smallest rate (longest processing time
/// first, Graham 1969). Then peers are moved or swapped for as long as that raises the smallest
/// rate. A sentence when a stage stays empty.
std::variant<placement, std::string> place(const fleet& peers, const std::vector<stage_load>& loads,
                                           const fitness& fits);

/// Cuts that would give each stage work in proportion to its peers' speed: blocks per stage, for
/// comparison with the program's own cuts, which know nothing of peers.
std::vector<tensors::stage_span> fitted_cuts(const workload& work, const fleet& peers,
                                             const placement& where);

}  // namespace swarm::planner
