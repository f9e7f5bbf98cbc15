#pragma once

#include "actors/rebalancing/policy.hpp"

namespace swarm::rebalancing {

/// The rebalancing of SWARM (Ryabinin et al. 2023, algorithm 2) as published: every T seconds the
/// stage with the shortest queues, all its workers' added, gives the worker with the shortest queue
/// to the stage with the longest. Its defects are kept: it moves for any difference, all workers
/// tied at the shortest queue move, the last worker of a stage may leave, and an empty stage counts
/// as the one that needs least.
class queue_policy final : public rebalance_policy {
 public:
  explicit queue_policy(const policy_options& options) : options_(options) {}

  std::optional<move> decide(const swarm_view& view, worker_id self, seconds now) override;
  void refused(seconds) override {}
  seconds next_decision() const override { return due_; }

 private:
  policy_options options_;
  bool begun_ = false;
  seconds due_{0};
};

}  // namespace swarm::rebalancing
