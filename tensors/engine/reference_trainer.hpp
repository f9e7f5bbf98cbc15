#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "tensors/codec/host_tensor.hpp"
#include "tensors/engine/stage_engine.hpp"

namespace swarm::tensors {

/// Inputs and targets, both i32 [rows, tokens], of one microbatch.
using microbatch_source =
    std::function<std::pair<host_tensor, host_tensor>(int64_t step, int64_t index)>;

struct step_result {
  double loss = 0;  ///< mean over the step's microbatches, nats
  double squared_norm = 0;
  double learning_rate = 0;
};

/// The same model trained the ordinary way: one process, no actors, loss.backward() into .grad,
/// clipping, AdamW. Every other way of training is compared with it. Shares the model's mathematics
/// and AdamW with the engine, and nothing of the engine's gradient sum; in reproducible mode each
/// microbatch's .grad enters fixed-point sums of its own.
///
/// Throws engine_error. Not thread-safe.
class reference_trainer {
 public:
  /// Precondition: `config.span` is the whole model. Sets the calling thread's intra-op threads; in
  /// reproducible mode to one whatever is asked for, see configure_thread.
  reference_trainer(const engine_config& config, microbatch_source source,
                    int intra_op_threads = 1);
  ~reference_trainer();

  /// Optimizer step number 0, 1, ...: all its microbatches, in order of index.
  step_result step();

  /// Mean loss without dropout, nats.
  double evaluate(const host_tensor& inputs, const host_tensor& targets);

  /// f32 [flat_size]: a copy.
  host_tensor parameters() const;

  /// `tensors::weights_hash` of the parameters.
  std::string weights_hash() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace swarm::tensors
