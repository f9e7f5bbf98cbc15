#include "tensors/model/attention.hpp"

#include <ATen/Parallel.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/triu.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tensors/model/attention_kernels.hpp"

namespace swarm::tensors {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct attention_shape {
  int64_t rows;
  int64_t tokens;
  int64_t heads;
  int64_t width;

  int64_t head() const { return width / heads; }
  /// Where head `h` of row `row` begins in a matrix [rows * tokens, stride].
  int64_t offset(int64_t row, int64_t h, int64_t stride) const {
    return row * tokens * stride + h * head();
  }
};

/// Calls `work(head kernels, row, head)` for every head, on the thread's intra-op threads.
template <class Work>
void for_each_head(const attention_shape& shape, Work work) {
  at::parallel_for(0, shape.rows * shape.heads, 1, [&](int64_t begin, int64_t end) {
    attention_head kernels(shape.tokens, shape.head());
    for (int64_t i = begin; i < end; ++i)
      work(kernels, i / shape.heads, i % shape.heads);
  });
}

at::Tensor empty_probabilities(const attention_shape& shape) {
  const int64_t stride = attention_head(shape.tokens, 1).probability_stride();
  return at::empty({shape.rows * shape.heads, shape.tokens, stride}, at::kFloat);
}

at::Tensor attend(const at::Tensor& qkv, const attention_shape& shape, at::Tensor& probabilities) {
  auto output = at::empty({shape.rows * shape.tokens, shape.width}, at::kFloat);
  probabilities = empty_probabilities(shape);
  const int64_t d = shape.width;
  const float* inputs = qkv.data_ptr<float>();
  float* weights = probabilities.data_ptr<float>();
  float* results = output.data_ptr<float>();
  const int64_t matrix = shape.tokens * probabilities.size(2);
  for_each_head(shape, [&](attention_head& kernels, int64_t row, int64_t head) {
    const float* q = inputs + shape.offset(row, head, 3 * d);
    kernels.forward(q, q + d, q + 2 * d, 3 * d, weights + (row * shape.heads + head) * matrix,
                    results + shape.offset(row, head, d), d);
  });
  return output;
}

class attention_function : public torch::autograd::Function<attention_function> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv, int64_t rows,
                            int64_t tokens, int64_t heads) {
    at::Tensor probabilities;
    auto output = attend(qkv, {rows, tokens, heads, qkv.size(1) / 3}, probabilities);
    context->save_for_backward({qkv, probabilities});
    context->saved_data["rows"] = rows;
    context->saved_data["tokens"] = tokens;
    context->saved_data["heads"] = heads;
    return output;
  }

  static variable_list backward(AutogradContext* context, variable_list upstream) {
    const auto saved = context->get_saved_variables();
    const attention_shape shape{context->saved_data["rows"].toInt(),
                                context->saved_data["tokens"].toInt(),
                                context->saved_data["heads"].toInt(), saved[0].size(1) / 3};
    const auto output_gradient = upstream[0].contiguous();
    auto gradient = at::empty_like(saved[0]);
    const int64_t d = shape.width;
    const float* inputs = saved[0].data_ptr<float>();
    const float* weights = saved[1].data_ptr<float>();
    const float* outputs = output_gradient.data_ptr<float>();
    float* gradients = gradient.data_ptr<float>();
    const int64_t matrix = shape.tokens * saved[1].size(2);
    for_each_head(shape, [&](attention_head& kernels, int64_t row, int64_t head) {
      const int64_t offset = shape.offset(row, head, 3 * d);
      const float* q = inputs + offset;
      float* dq = gradients + offset;
      kernels.backward(q, q + d, q + 2 * d, 3 * d, weights + (row * shape.heads + head) * matrix,
                       outputs + shape.offset(row, head, d), d, dq, dq + d, dq + 2 * d);
    });
    return {gradient, {}, {}, {}};
  }
};

/// The same in LibTorch's own operations.
at::Tensor attention_with_dropout(const at::Tensor& qkv, const attention_shape& shape,
                                  const at::Tensor& dropout) {
  const auto mask =
      at::triu(at::full({shape.tokens, shape.tokens}, -std::numeric_limits<float>::infinity()), 1);
  const auto parts =
      qkv.view({shape.rows, shape.tokens, 3, shape.heads, shape.head()}).permute({2, 0, 3, 1, 4});
  const std::vector<int64_t> matrices = {shape.rows * shape.heads, shape.tokens, shape.head()};
  const auto q = parts[0].reshape(matrices);
  const auto k = parts[1].reshape(matrices);
  const auto v = parts[2].reshape(matrices);
  const double scale = 1.0 / std::sqrt(static_cast<double>(shape.head()));
  const auto scores = at::bmm(q, k.transpose(1, 2)).mul(scale).add(mask);
  return at::bmm(at::softmax(scores, -1).mul(dropout), v)
      .view({shape.rows, shape.heads, shape.tokens, shape.head()})
      .transpose(1, 2)
      .reshape({shape.rows * shape.tokens, shape.width});
}

}  // namespace

at::Tensor causal_attention(const at::Tensor& qkv, int64_t rows, int64_t tokens, int64_t heads,
                            const at::Tensor& dropout) {
  const attention_shape shape{rows, tokens, heads, qkv.size(1) / 3};
  if (dropout.defined()) return attention_with_dropout(qkv, shape, dropout);
  if (qkv.requires_grad()) return attention_function::apply(qkv, rows, tokens, heads);
  at::Tensor unused;
  return attend(qkv, shape, unused);
}

}  // namespace swarm::tensors
