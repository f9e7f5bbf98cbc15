#pragma once

#include "actors/random.hpp"
#include "actors/rebalancing/policy.hpp"

namespace swarm::rebalancing {

/// Makes the plan that everybody makes (plan.hpp) and wishes for a move when it is itself in it:
/// into an empty stage at once, otherwise at the end of its period.
class throughput_policy final : public rebalance_policy {
 public:
  throughput_policy(uint64_t seed, const policy_options& options)
      : options_(options), random_(seed) {}

  std::optional<move> decide(const swarm_view& view, worker_id self, seconds now) override;
  void refused(seconds now) override;
  seconds next_decision() const override { return due_; }

 private:
  policy_options options_;
  splitmix64 random_;
  bool begun_ = false;
  seconds due_{0};
  seconds no_rescue_before_{0};
};

}  // namespace swarm::rebalancing
