#pragma once

#include <cstdint>
#include <vector>

namespace swarm::tensors {

/// Which instructions the loops below use. `avx2` and `avx512` have the same bits: both add sixteen
/// lanes and fuse a product and a sum into one rounding. `plain` rounds twice, unless the compiler
/// was told to build for more than x86-64.
enum class attention_loops : uint8_t { widest, plain, avx2, avx512 };

/// Of the whole process, before it computes anything; until then it is `widest`. False: this
/// processor or this architecture does not have them, and nothing has changed.
bool choose_attention_loops(attention_loops which);

/// Whether they fuse a product and a sum.
bool attention_loops_fuse();

/// One head's causal attention over plain memory: no LibTorch, no BLAS. Rows of queries, keys,
/// values and their gradients are `stride` floats apart, so that they stay where c_attn leaves
/// them; what lies above the diagonal is not computed. Products are summed in an order that depends
/// on the shape alone.
class attention_head {
 public:
  attention_head(int64_t tokens, int64_t size);

  /// Floats between the rows of a `probabilities` matrix [tokens, ...].
  int64_t probability_stride() const { return padded_; }

  /// Fills `probabilities` (zeros above the diagonal and in the padding) and `output`, whose rows
  /// are `output_stride` apart.
  void forward(const float* query, const float* key, const float* value, int64_t stride,
               float* probabilities, float* output, int64_t output_stride);

  /// The three gradients, `stride` apart like the inputs; overwrites them.
  void backward(const float* query, const float* key, const float* value, int64_t stride,
                const float* probabilities, const float* output_gradient, int64_t output_stride,
                float* query_gradient, float* key_gradient, float* value_gradient);

 private:
  /// scores_[i][j] = factor * sum over c of a[i][c] b[j][c], for j <= i.
  void lower_products(const float* a, int64_t a_stride, const float* b, int64_t b_stride,
                      float factor, float* result);

  const int64_t tokens_;
  const int64_t size_;
  const int64_t padded_;  ///< tokens, rounded up to whole vectors
  const float scale_;
  std::vector<float> transposed_;  ///< [size, padded]
  std::vector<float> scores_;      ///< [tokens, padded]
};

}  // namespace swarm::tensors
