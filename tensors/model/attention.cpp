#include "tensors/model/attention.hpp"

#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/full.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/triu.h>

#include <cmath>
#include <limits>

namespace swarm::tensors {

at::Tensor causal_attention(const at::Tensor& qkv, int64_t rows, int64_t tokens, int64_t heads,
                            const at::Tensor& dropout) {
  const int64_t width = qkv.size(1) / 3;
  const int64_t head = width / heads;
  const auto mask =
      at::triu(at::full({tokens, tokens}, -std::numeric_limits<float>::infinity()), 1);
  const auto parts = qkv.view({rows, tokens, 3, heads, head}).permute({2, 0, 3, 1, 4});
  const auto q = parts[0].reshape({rows * heads, tokens, head});
  const auto k = parts[1].reshape({rows * heads, tokens, head});
  const auto v = parts[2].reshape({rows * heads, tokens, head});
  const auto scores =
      at::baddbmm(mask, q, k.transpose(1, 2), 1.0, 1.0 / std::sqrt(static_cast<double>(head)));
  auto probabilities = at::softmax(scores, -1);
  if (dropout.defined()) probabilities = probabilities.mul(dropout);
  return at::bmm(probabilities, v)
      .view({rows, heads, tokens, head})
      .transpose(1, 2)
      .reshape({rows * tokens, width});
}

}  // namespace swarm::tensors
