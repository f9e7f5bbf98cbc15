#pragma once

#include <optional>
#include <utility>

#include "actors/stage/step_guard.hpp"
#include "tensors/codec/host_tensor.hpp"

namespace swarm::stage {

/// Parameters and optimizer state of one version, and the commit that made it.
struct stored_state {
  step_id version;
  tensors::host_tensor state;
  last_commit commit;
};

/// The sum over the whole stage for the step that starts from `step`.
struct stored_sum {
  step_id step;
  reduced_sum sum;
  tensors::host_tensor total;
};

/// Where a worker leaves what its next life needs, so that a restart loses nothing that it has
/// promised: the sum before it says Reduced, the state before it says Committed. Outlives the
/// worker. Called from the worker's thread; a call must be quick, or copy and return.
class state_store {
 public:
  virtual ~state_store() = default;

  /// Each replaces the last of its kind.
  virtual void put(stored_state state) = 0;
  virtual void put(stored_sum sum) = 0;

  virtual std::optional<stored_state> state() const = 0;
  virtual std::optional<stored_sum> sum() const = 0;
};

/// Survives the worker, not the process.
class memory_state_store final : public state_store {
 public:
  void put(stored_state state) override { state_ = std::move(state); }
  void put(stored_sum sum) override { sum_ = std::move(sum); }
  std::optional<stored_state> state() const override { return state_; }
  std::optional<stored_sum> sum() const override { return sum_; }

 private:
  std::optional<stored_state> state_;
  std::optional<stored_sum> sum_;
};

}  // namespace swarm::stage
