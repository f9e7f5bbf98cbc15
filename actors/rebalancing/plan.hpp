#pragma once

#include <optional>
#include <vector>

#include "actors/rebalancing/swarm_view.hpp"

namespace swarm::rebalancing {

struct plan_options {
  estimate_options estimate;
  /// How long a better assignment is expected to stay the better one.
  seconds horizon{1800};
  /// Hysteresis: what is gained over the horizon must be this many times what the moves cost.
  double gain_over_cost_min = 2;
  /// Hysteresis: the slowest stage must gain at least this share of what its slowest newcomer does,
  /// besides what is not known of the stages involved (rate_estimate::doubt).
  double gain_of_mover_min = 0.5;
  /// Moves planned at once.
  size_t moves_max = 16;
};

/// The moves that raise the throughput of the slowest stage most, in the order in which they should
/// be made; empty when what they gain does not pay for what they cost. Everybody who has the same
/// view makes the same plan.
///
/// Greedy: the mover that leaves the higher minimum of the two stages involved, again and again;
/// then the cut of the plan that gains most over the horizon. Each move takes a worker off for the
/// time it fetches the state. Only workers that serve move, and never the last one of a stage.
/// Exchanges, a fast worker for a slow one, are not considered. O(moves x workers).
std::vector<move> plan_moves(const swarm_view& view, const plan_options& options = {});

/// The move into a stage that nobody serves and nobody is joining: from where the pipeline then has
/// most, by a worker that is joining if it is the only one to spare. Nothing when no stage is empty
/// or nobody can be spared. With several empty stages, into the first; the next view names the
/// next.
std::optional<move> plan_rescue(const swarm_view& view, const plan_options& options = {});

/// The stage that a newcomer should join: the one with the least throughput, those that are joining
/// included. Stages within half of what the newcomer does are equal, and it chooses among them by
/// its id, so that newcomers who choose at the same time spread.
/// `kept`: stages whose state it still has. One that nobody serves is chosen first, and otherwise
/// one that has at most the newcomer's own rate more than the neediest, as long as no stage is
/// without anybody: when a whole run is started again, everybody goes where they were.
/// Its own former life does not count. Precondition: the view has stages.
stage_id choose_stage(const swarm_view& view, peer_id self, double relative_speed,
                      const std::vector<stage_id>& kept = {}, const estimate_options& options = {});

}  // namespace swarm::rebalancing
