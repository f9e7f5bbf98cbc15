#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "actors/ids.hpp"
#include "actors/training/step_ledger.hpp"
#include "tensors/codec/host_tensor.hpp"

namespace swarm::training {

/// What a trainer keeps of one microbatch until its step commits: enough to call any stage again
/// without asking another one.
struct saved_microbatch {
  tensors::host_tensor targets;
  std::vector<tensors::host_tensor> inputs;            ///< by stage; [0] is the tokens
  std::vector<tensors::host_tensor> output_gradients;  ///< by stage; none at the last
  std::vector<worker_id> graph_holders;                ///< who ran the forward last

  /// Boundary tensors only; tokens are a pure function and cost nothing to get again.
  size_t bytes() const;
  /// The gradient that a backward at this stage yields for the stage before it; true at the first.
  bool has_input_gradient(stage_id stage) const;
};

/// Saved microbatches of the current step, within a memory budget. Beyond it the oldest lose their
/// boundary tensors and are replayed from their tokens if need be.
class saved_inputs {
 public:
  explicit saved_inputs(size_t budget_bytes) : budget_bytes_(budget_bytes) {}

  saved_microbatch& at(microbatch_id id) { return saved_[id]; }
  bool has(microbatch_id id) const { return saved_.count(id) != 0; }

  /// Evicts down to the budget; `busy` are in flight and stay.
  template <class Busy>
  void trim(Busy busy) {
    size_t total = 0;
    for (const auto& [id, saved] : saved_)
      total += saved.bytes();
    for (auto it = saved_.begin(); it != saved_.end() && total > budget_bytes_;) {
      if (busy(it->first)) {
        ++it;
        continue;
      }
      total -= it->second.bytes();
      it = saved_.erase(it);
    }
  }

  void forget(microbatch_id id) { saved_.erase(id); }
  void clear() { saved_.clear(); }

 private:
  size_t budget_bytes_;
  std::map<microbatch_id, saved_microbatch> saved_;
};

enum class call_kind : uint8_t { forward, loss, backward };

struct stage_call {
  call_kind kind = call_kind::forward;
  stage_id stage{0};
  int weight = 0;
  std::optional<worker_id> only;  ///< must go to exactly this worker
};

/// The calls that one lease item takes, given what is saved: the whole way through the pipeline
/// for a fresh microbatch, a single call at a stage whose input and output gradient are saved.
std::deque<stage_call> plan_calls(const lease_item& item, int32_t stages,
                                  const saved_microbatch& saved);

}  // namespace swarm::training
