#pragma once

#include <cstdint>
#include <vector>

#include "tensors/model/model_config.hpp"

namespace swarm::planner {

/// Bytes of one value on the wire. The program sends f32; the others are for comparison only.
inline constexpr double raw_value_bytes = 4;
inline constexpr double fp16_value_bytes = 2;
/// 8 bits and one f32 scale per block of 256.
inline constexpr double int8_value_bytes = 1 + 4.0 / 256;
inline constexpr double token_bytes = 4;

/// Seconds per parameter and optimizer step, on one core: squared norm, hash, AdamW, hash of the
/// weights. Bound by memory, so it does not follow FLOP/s; measured by experiments/planner on an
/// AMD EPYC (Zen 4).
inline constexpr double step_seconds_per_parameter_default = 5e-9;

/// What is trained: as keygen and train take it.
struct workload {
  tensors::model_config model;
  int64_t rows = 4;          ///< sequences per microbatch
  int64_t microbatches = 8;  ///< per optimizer step
  int64_t in_flight = 4;     ///< microbatches per trainer
  int64_t trainers = 1;
  bool reproducible = false;  ///< sums of 8 bytes instead of 4
  double value_bytes = raw_value_bytes;

  double tokens_per_microbatch() const {
    return static_cast<double>(rows) * static_cast<double>(model.context);
  }
  double tokens_per_step() const {
    return tokens_per_microbatch() * static_cast<double>(microbatches);
  }
  double under_way() const {
    return static_cast<double>(in_flight < microbatches ? in_flight : microbatches) *
           static_cast<double>(trainers);
  }
};

/// What one microbatch, and one step, cost a stage.
///
/// FLOP per token forward (tensors/model): 24 d^2 + 4 T d per block, 2 d V + 5 (d + V) for the
/// head; backward is twice that (Kaplan et al. 2020, section 2.1). The embedding is a look-up: it
/// costs memory and all-reduce, no FLOP. Nothing is computed twice: graphs are held until their
/// backward. Every boundary tensor is rows x T x d values and passes through the trainer, so a
/// middle stage takes in two per microbatch and hands out two.
struct stage_load {
  tensors::stage_span span;
  double parameters = 0;
  double forward_flop = 0;   ///< per microbatch; the last stage's is part of its one call
  double backward_flop = 0;  ///< per microbatch
  double forward_in_bytes = 0;
  double forward_out_bytes = 0;
  double backward_in_bytes = 0;
  double backward_out_bytes = 0;
  double gradient_bytes = 0;  ///< of the vector that is all-reduced
  double state_bytes = 0;     ///< what a newcomer fetches: weights and two moments
  double saved_bytes = 0;     ///< of one microbatch between forward and backward

  double flop() const { return forward_flop + backward_flop; }
  double in_bytes() const { return forward_in_bytes + backward_in_bytes; }
  double out_bytes() const { return forward_out_bytes + backward_out_bytes; }
};

stage_load load_of(const workload& work, const tensors::stage_span& span);

/// FLOP and boundary tensors alone, at once; what depends on the parameters is 0.
stage_load passage_of(const workload& work, const tensors::stage_span& span);

/// All stages; the cuts are the program's own (tensors::partition), by counted FLOP.
/// Precondition: validate(work.model, stages) has nothing to say.
std::vector<stage_load> loads_of(const workload& work, int64_t stages);

/// What a worker needs, bytes.
struct stage_memory {
  double weights = 0;
  double moments = 0;    ///< AdamW's two
  double gradients = 0;  ///< the sum, the reduced sum, one microbatch's before it is added
  double activations = 0;

  double total() const { return weights + moments + gradients + activations; }
};

/// `held`: microbatches whose graph waits for its backward at the worker.
stage_memory memory_of(const workload& work, const stage_load& load, double held);

}  // namespace swarm::planner
