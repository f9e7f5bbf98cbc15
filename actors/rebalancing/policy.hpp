#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "actors/rebalancing/plan.hpp"
#include "actors/rebalancing/swarm_view.hpp"

namespace swarm::rebalancing {

enum class policy_kind : uint8_t {
  none,        ///< stays
  queue,       ///< the paper's rule, its defects included
  throughput,  ///< ours
};

std::string_view to_string(policy_kind kind);
/// The inverse of to_string; nothing for an unknown name.
std::optional<policy_kind> policy_from_name(std::string_view name);

struct policy_options {
  /// T, between two decisions of a peer.
  seconds period{60};
  plan_options plan;  ///< `throughput` only
  /// `throughput` only: a period is stretched by a random factor in [1 - jitter, 1 + jitter], and
  /// the first one ends anywhere, so that peers do not decide together.
  double jitter = 0.25;
  /// `throughput` only: after a refusal it decides again this much later, and half as much again
  /// by chance.
  seconds retry{5};
  /// The same for a move into an empty stage.
  seconds rescue_retry{1};
};

/// One peer's decision whether to give up its stage. Deterministic given its seed and its calls.
/// Not for sharing between threads.
class rebalance_policy {
 public:
  virtual ~rebalance_policy() = default;

  /// Call it at next_decision and, for a policy that rescues, when the view changes: it paces
  /// itself, and a call between costs at most one pass over the workers. A move is a wish: whoever
  /// grants it (move_arbiter) may refuse. A self that is not in the view stays.
  virtual std::optional<move> decide(const swarm_view& view, worker_id self, seconds now) = 0;

  /// The last move it wished for was refused.
  virtual void refused(seconds now) = 0;

  /// Before that `decide` answers nothing, unless a stage has become empty. Before the first call
  /// of `decide`, at once; infinity for a policy that never decides.
  virtual seconds next_decision() const = 0;
};

std::unique_ptr<rebalance_policy> make_policy(policy_kind kind, uint64_t seed,
                                              const policy_options& options = {});

/// Where the paper sends a newcomer: to the stage with the longest queues, the first of several.
/// A stage without anybody has no queue; here it comes first all the same, where the paper's rule
/// would never fill it. Precondition: the view has stages.
stage_id most_loaded_stage(const swarm_view& view, const estimate_options& options = {});

}  // namespace swarm::rebalancing
