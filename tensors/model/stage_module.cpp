#include "tensors/model/stage_module.hpp"

#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>

#include <cassert>

#include "tensors/model/attention.hpp"
#include "tensors/model/random.hpp"

namespace swarm::tensors {

namespace {

constexpr double norm_epsilon = 1e-5;

/// Where dropout acts; the numbers are part of the key.
enum place : int64_t { after_embedding, on_probabilities, after_attention, after_mlp };

at::Tensor dropout_factors(const dropout_key& key, int64_t layer, int64_t where,
                           at::IntArrayRef shape, double probability) {
  auto factors = at::empty(shape, at::kFloat);
  const std::vector<uint64_t> numbers = {
      static_cast<uint64_t>(key.step), static_cast<uint64_t>(key.index),
      static_cast<uint64_t>(layer), static_cast<uint64_t>(where)};
  counter_random(stream_key(key.seed, numbers))
      .dropout(factors.data_ptr<float>(), factors.numel(), probability);
  return factors;
}

at::Tensor norm(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias) {
  return at::layer_norm(input, {input.size(-1)}, weight, bias, norm_epsilon);
}

}  // namespace

stage_module::stage_module(const model_config& model, const stage_span& span, float* flat)
    : model_(model), span_(span), layout_(parameter_layout(model, span)) {
  for (const auto& slot : layout_) {
    parameters_.push_back(
        at::from_blob(flat + slot.offset, slot.shape, at::kFloat).requires_grad_(true));
  }
  for (int64_t layer = span.first_block; layer < span.end_block; ++layer) {
    const std::string prefix = "h." + std::to_string(layer);
    blocks_.push_back({named(prefix + ".ln_1.weight"), named(prefix + ".ln_1.bias"),
                       named(prefix + ".attn.c_attn.weight"), named(prefix + ".attn.c_attn.bias"),
                       named(prefix + ".attn.c_proj.weight"), named(prefix + ".attn.c_proj.bias"),
                       named(prefix + ".ln_2.weight"), named(prefix + ".ln_2.bias"),
                       named(prefix + ".mlp.c_fc.weight"), named(prefix + ".mlp.c_fc.bias"),
                       named(prefix + ".mlp.c_proj.weight"), named(prefix + ".mlp.c_proj.bias")});
  }
  token_embedding_ = named("wte.weight");
  position_embedding_ = named("wpe.weight");
  norm_weight_ = named("ln_f.weight");
  norm_bias_ = named("ln_f.bias");
  head_weight_ = model.tied_head ? token_embedding_ : named("lm_head.weight");
  key_mask_ = at::ones({3 * model.width}, at::kFloat);
  key_mask_.narrow(0, model.width, model.width).zero_();
}

at::Tensor stage_module::named(const std::string& name) const {
  for (size_t i = 0; i < layout_.size(); ++i) {
    if (layout_[i].name == name) return parameters_[i];
  }
  return {};
}

at::Tensor stage_module::dropped(const at::Tensor& input, const std::optional<dropout_key>& key,
                                 int64_t layer, int64_t place) const {
  if (!key || model_.dropout == 0.0) return input;
  return input.mul(dropout_factors(*key, layer, place, input.sizes(), model_.dropout));
}

at::Tensor stage_module::embed(const at::Tensor& tokens,
                               const std::optional<dropout_key>& key) const {
  const int64_t count = tokens.size(1);
  const auto positions =
      count == model_.context ? position_embedding_ : position_embedding_.narrow(0, 0, count);
  const auto sum = at::embedding(token_embedding_, tokens).add(positions);
  return dropped(sum, key, model_.layers, after_embedding);
}

at::Tensor stage_module::run_block(int64_t layer, const at::Tensor& input, int64_t rows,
                                   int64_t tokens, const std::optional<dropout_key>& key) const {
  const block& b = blocks_[layer - span_.first_block];
  at::Tensor probability_factors;
  if (key && model_.dropout > 0.0) {
    probability_factors = dropout_factors(*key, layer, on_probabilities,
                                          {rows * model_.heads, tokens, tokens}, model_.dropout);
  }
  const auto visible_bias =
      b.attention_bias.defined() ? b.attention_bias.mul(key_mask_) : at::Tensor();
  const auto qkv =
      at::linear(norm(input, b.norm1_weight, b.norm1_bias), b.attention_weight, visible_bias);
  const auto attended = causal_attention(qkv, rows, tokens, model_.heads, probability_factors);
  const auto projected = at::linear(attended, b.projection_weight, b.projection_bias);
  const auto middle = input.add(dropped(projected, key, layer, after_attention));
  const auto expanded =
      at::linear(norm(middle, b.norm2_weight, b.norm2_bias), b.expand_weight, b.expand_bias);
  const auto contracted = at::linear(at::gelu(expanded), b.contract_weight, b.contract_bias);
  return middle.add(dropped(contracted, key, layer, after_mlp));
}

at::Tensor stage_module::forward(const at::Tensor& input,
                                 const std::optional<dropout_key>& key) const {
  const int64_t rows = input.size(0);
  const int64_t tokens = input.size(1);
  // Two dimensions inside: matrices need no reshaping between the operations.
  auto hidden = (span_.first ? embed(input, key) : input).reshape({rows * tokens, model_.width});
  for (int64_t layer = span_.first_block; layer < span_.end_block; ++layer) {
    hidden = run_block(layer, hidden, rows, tokens, key);
  }
  return hidden.view({rows, tokens, model_.width});
}

at::Tensor stage_module::head(const at::Tensor& hidden) const {
  assert(span_.last);
  return at::linear(norm(hidden, norm_weight_, norm_bias_), head_weight_);
}

at::Tensor stage_module::loss(const at::Tensor& hidden, const at::Tensor& targets) const {
  return at::cross_entropy_loss(head(hidden.view({-1, model_.width})), targets.view({-1}));
}

at::Tensor stage_module::last_logits(const at::Tensor& hidden) const {
  return head(hidden.select(1, hidden.size(1) - 1));
}

size_t stage_module::saved_bytes(int64_t rows, int64_t tokens) const {
  // Per token and block: norm outputs 2, qkv 3, attention's result 1, the residual between 1, the
  // MLP's two inner tensors 8, the next block's input 1, all of one width; then the probabilities.
  const int64_t per_token = 16 * model_.width + model_.heads * tokens;
  const int64_t blocks = span_.end_block - span_.first_block;
  return static_cast<size_t>(rows * tokens * per_token * blocks) * sizeof(float);
}

}  // namespace swarm::tensors
