#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tensors/engine/stage_engine.hpp"

namespace swarm::simulation {

/// Numbers in the gradient, and 64-bit words in the weights, of a modelled stage that asks for no
/// others.
inline constexpr size_t fingerprint_elements = 4;

struct modelled_options {
  int32_t stage = 0;
  int32_t stages = 1;
  int64_t microbatches = 1;  ///< per step
  int64_t rows = 1;
  int64_t context = 1;
  int64_t width = 1;  ///< activations are f32 [rows, context, width]
  /// What a forward's graph takes in the activation cache.
  size_t saved_bytes = 0;
  /// How finely the gradient can be cut among the members of an all-reduce, and the state into
  /// chunks. At least one each.
  size_t gradient_elements = fingerprint_elements;
  size_t weight_words = fingerprint_elements;
  /// What the gradient and the state take on the network; 0: what they really have. Their bytes
  /// stay the few that they are: whoever measures a message multiplies (message_size.hpp).
  uint64_t gradient_bytes = 0;
  uint64_t state_bytes = 0;

  /// Of the stage; what there is to compute.
  int64_t parameters = 0;

  size_t real_gradient_bytes() const { return gradient_elements * sizeof(int64_t); }
  /// f32 [3, n]: weights, version and checksum.
  size_t real_state_bytes() const { return 3 * weight_words * sizeof(uint64_t); }
  /// Bytes of the modelled stage for each real one.
  double gradient_scale() const {
    return gradient_bytes == 0
               ? 1
               : static_cast<double>(gradient_bytes) / static_cast<double>(real_gradient_bytes());
  }
  double state_scale() const {
    return state_bytes == 0
               ? 1
               : static_cast<double>(state_bytes) / static_cast<double>(real_state_bytes());
  }
};

/// An engine without a model. Activations are virtual: they only have a shape. The gradient is a
/// few integers, each microbatch's a fingerprint of (step, microbatch, stage), so that sums are
/// exact in any order; the weights are a fold over (step, reduced sum, scale) of every step
/// applied, into which each element of the sum goes. So two workers have equal weights only if both
/// applied the same sums, and the weights are those of `modelled_reference` only if every gradient
/// entered every sum exactly once.
///
/// Takes no time: that is the device's business. Throws as a real engine does: wrong_shape for
/// tensors of another shape, bad_state for a graph older than the weights and for a damaged state.
std::unique_ptr<tensors::stage_engine> make_modelled_engine(const modelled_options& options);

/// Tokens and targets, virtual i32 [rows, context], whatever the microbatch.
std::pair<tensors::host_tensor, tensors::host_tensor> modelled_microbatch(
    const modelled_options& options);

/// What every stage's weights must be, without any actor.
class modelled_reference {
 public:
  modelled_reference(int32_t stages, int64_t microbatches, tensors::optimizer_config optimizer,
                     size_t gradient_elements = fingerprint_elements,
                     size_t weight_words = fingerprint_elements);

  /// One optimizer step; `dropped` microbatches (non-finite) count in no stage, and the rest makes
  /// up for them.
  void advance(const std::set<int64_t>& dropped = {});

  int64_t version() const { return version_; }
  /// As the engine's `weights_hash`.
  std::string weights_hash(int32_t stage) const;
  /// As the engine's `export_state`.
  tensors::host_tensor state(int32_t stage) const;

 private:
  int64_t microbatches_;
  tensors::optimizer_config optimizer_;
  size_t gradient_elements_;
  std::vector<std::vector<uint64_t>> weights_;  ///< by stage
  int64_t version_ = 0;
};

}  // namespace swarm::simulation
