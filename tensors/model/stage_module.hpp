#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "tensors/model/model_config.hpp"

namespace swarm::tensors {

/// Which random numbers a forward's dropout uses; layer and place are added inside.
struct dropout_key {
  uint64_t seed = 0;
  int64_t step = 0;
  int64_t index = 0;
};

/// The mathematics of one stage in LibTorch operations, over parameters that are views of one flat
/// vector. Knows no gradient sum, optimizer or message. The bits of a result do not depend on the
/// partition, only on shapes, threads and the BLAS.
///
/// The key third of c_attn.bias is masked: softmax cannot see it, so its exact gradient is zero,
/// and Adam would blow the rounding noise up into a random walk.
class stage_module {
 public:
  /// `flat` has flat_size(layout()) elements and outlives the module.
  stage_module(const model_config& model, const stage_span& span, float* flat);

  const model_config& model() const { return model_; }
  const stage_span& span() const { return span_; }
  const std::vector<parameter_slot>& layout() const { return layout_; }

  /// Leaves that require gradients, one per slot of the layout.
  const std::vector<at::Tensor>& parameters() const { return parameters_; }

  /// First stage: tokens i32 [rows, tokens], else f32 [rows, tokens, width]; result f32 [rows,
  /// tokens, width], before the final norm. Dropout only with a key.
  at::Tensor forward(const at::Tensor& input, const std::optional<dropout_key>& key) const;

  /// Last stage: mean cross entropy of `forward`'s result against i64 [rows, tokens], nats.
  at::Tensor loss(const at::Tensor& hidden, const at::Tensor& targets) const;

  /// Last stage: logits of the last position, [rows, vocabulary].
  at::Tensor last_logits(const at::Tensor& hidden) const;

  /// Bytes that a kept forward holds besides its input and output.
  size_t saved_bytes(int64_t rows, int64_t tokens) const;

 private:
  /// Parameters of one block; a bias that the model lacks is undefined.
  struct block {
    at::Tensor norm1_weight, norm1_bias, attention_weight, attention_bias, projection_weight,
        projection_bias, norm2_weight, norm2_bias, expand_weight, expand_bias, contract_weight,
        contract_bias;
  };

  at::Tensor named(const std::string& name) const;
  at::Tensor embed(const at::Tensor& tokens, const std::optional<dropout_key>& key) const;
  at::Tensor run_block(int64_t layer, const at::Tensor& input, int64_t rows, int64_t tokens,
                       const std::optional<dropout_key>& key) const;
  at::Tensor dropped(const at::Tensor& input, const std::optional<dropout_key>& key, int64_t layer,
                     int64_t place) const;
  at::Tensor head(const at::Tensor& hidden) const;

  model_config model_;
  stage_span span_;
  std::vector<parameter_slot> layout_;
  std::vector<at::Tensor> parameters_;
  std::vector<block> blocks_;
  at::Tensor token_embedding_, position_embedding_, norm_weight_, norm_bias_, head_weight_;
  at::Tensor key_mask_;
};

}  // namespace swarm::tensors
