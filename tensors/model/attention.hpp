#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace swarm::tensors {

/// Causal self-attention. `qkv` is f32 [rows * tokens, 3 * width], queries, keys and values side by
/// side as GPT-2's c_attn leaves them; the result is [rows * tokens, width]. `dropout` is empty or
/// the factors of the probabilities, [rows * heads, tokens, tokens].
at::Tensor causal_attention(const at::Tensor& qkv, int64_t rows, int64_t tokens, int64_t heads,
                            const at::Tensor& dropout);

}  // namespace swarm::tensors
