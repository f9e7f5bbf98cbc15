#include "tensors/model/attention_kernels.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__)
#define ATTENTION_CLONES 1
#endif

namespace swarm::tensors {

namespace {

constexpr int64_t lanes = 16;
constexpr int64_t strip = 4;  ///< rows that share what they load
typedef float vector __attribute__((vector_size(lanes * sizeof(float))));

int64_t round_up(int64_t value) {
  return (value + lanes - 1) / lanes * lanes;
}

/// A sum of outer products: result[r][n] = sum over k in [begin, end) of a[r, k] * b[k][n].
struct product {
  const float* a;
  int64_t a_row;  ///< floats from one r to the next
  int64_t a_k;    ///< floats from one k to the next
  const float* b;
  int64_t b_k;
  float* result;
  int64_t result_row;
  int64_t begin;
  int64_t end;
  int64_t columns;
};

inline __attribute__((always_inline)) void load(vector& v, const float* from) {
  __builtin_memcpy(&v, from, sizeof v);
}

template <int64_t Rows, int64_t Vectors>
inline __attribute__((always_inline)) void block(const product& p, int64_t row, int64_t column) {
  vector sums[Rows][Vectors] = {};
  const float* a = p.a + row * p.a_row;
  const float* b = p.b + column;
  for (int64_t k = p.begin; k < p.end; ++k) {
    vector right[Vectors];
#pragma GCC unroll 4
    for (int64_t v = 0; v < Vectors; ++v)
      load(right[v], b + k * p.b_k + v * lanes);
#pragma GCC unroll 4
    for (int64_t r = 0; r < Rows; ++r) {
      const float left = a[r * p.a_row + k * p.a_k];
#pragma GCC unroll 4
      for (int64_t v = 0; v < Vectors; ++v)
        sums[r][v] += left * right[v];
    }
  }
#pragma GCC unroll 4
  for (int64_t r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (int64_t v = 0; v < Vectors; ++v) {
      __builtin_memcpy(p.result + (row + r) * p.result_row + column + v * lanes, &sums[r][v],
                       sizeof(vector));
    }
  }
}

template <int64_t Rows>
inline __attribute__((always_inline)) void columns(const product& p, int64_t row) {
  int64_t column = 0;
  for (; column + 2 * lanes <= p.columns; column += 2 * lanes)
    block<Rows, 2>(p, row, column);
  for (; column + lanes <= p.columns; column += lanes)
    block<Rows, 1>(p, row, column);
  for (; column < p.columns; ++column) {
    for (int64_t r = 0; r < Rows; ++r) {
      float sum = 0;
      for (int64_t k = p.begin; k < p.end; ++k) {
        sum += p.a[(row + r) * p.a_row + k * p.a_k] * p.b[k * p.b_k + column];
      }
      p.result[(row + r) * p.result_row + column] = sum;
    }
  }
}

inline __attribute__((always_inline)) void multiply_in(const product& given, int64_t rows) {
  const product p = given;
  if (rows == strip) {
    columns<strip>(p, 0);
  } else {
    for (int64_t row = 0; row < rows; ++row)
      columns<1>(p, row);
  }
}

/// e^x for x <= 0, to 2 ulp; below -87 it stays at e^-87. Cephes' polynomial (Moshier 1989).
inline __attribute__((always_inline)) float exponential(float x) {
  constexpr float to_integer = 12582912.0f;  // 1.5 * 2^23
  x = x < -87.0f ? -87.0f : x;
  const float shifted = x * 1.44269504088896341f + to_integer;
  const float n = shifted - to_integer;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  int32_t bits = 0;
  __builtin_memcpy(&bits, &shifted, sizeof bits);
  const int32_t power_bits = (bits - 0x4B400000 + 127) << 23;
  float power = 0;
  __builtin_memcpy(&power, &power_bits, sizeof power);
  return p * power;
}

inline __attribute__((always_inline)) float sum_lanes(const float* values) {
  float sum = 0;
  for (int64_t lane = 0; lane < lanes; ++lane)
    sum += values[lane];
  return sum;
}

/// Softmax over the first `count` entries of a row; zeros in the rest.
inline __attribute__((always_inline)) void softmax_in(float* row, int64_t count, int64_t padded) {
  const int64_t whole = (count + lanes - 1) / lanes * lanes;
  for (int64_t j = count; j < whole; ++j)
    row[j] = row[0];
  float highest[lanes];
  for (int64_t lane = 0; lane < lanes; ++lane)
    highest[lane] = row[lane];
  for (int64_t j = lanes; j < whole; j += lanes) {
    for (int64_t lane = 0; lane < lanes; ++lane) {
      highest[lane] = row[j + lane] > highest[lane] ? row[j + lane] : highest[lane];
    }
  }
  float top = highest[0];
  for (int64_t lane = 1; lane < lanes; ++lane)
    top = highest[lane] > top ? highest[lane] : top;
  for (int64_t j = 0; j < whole; ++j)
    row[j] = exponential(row[j] - top);
  for (int64_t j = count; j < padded; ++j)
    row[j] = 0.0f;
  float sums[lanes] = {};
  for (int64_t j = 0; j < whole; j += lanes) {
    for (int64_t lane = 0; lane < lanes; ++lane)
      sums[lane] += row[j + lane];
  }
  const float inverse = 1.0f / sum_lanes(sums);
  for (int64_t j = 0; j < whole; ++j)
    row[j] *= inverse;
}

/// gradient = p * (gradient - sum p * gradient) * scale over a row; zeros from `count` on.
inline __attribute__((always_inline)) void softmax_backward_in(const float* p, float* gradient,
                                                               int64_t count, int64_t padded,
                                                               float scale) {
  const int64_t whole = (count + lanes - 1) / lanes * lanes;
  // p is zero there, but what was not computed might not be a number.
  for (int64_t j = count; j < padded; ++j)
    gradient[j] = 0.0f;
  float sums[lanes] = {};
  for (int64_t j = 0; j < whole; j += lanes) {
    for (int64_t lane = 0; lane < lanes; ++lane)
      sums[lane] += p[j + lane] * gradient[j + lane];
  }
  const float mean = sum_lanes(sums);
  for (int64_t j = 0; j < whole; ++j)
    gradient[j] = p[j] * (gradient[j] - mean) * scale;
}

/// The loops above, compiled for one instruction set.
struct compiled {
  void (*multiply)(const product&, int64_t);
  void (*softmax_row)(float*, int64_t, int64_t);
  void (*softmax_row_backward)(const float*, float*, int64_t, int64_t, float);
};

// Not target_clones: which of them runs is part of a reproducible run, not the loader's choice.
#define ATTENTION_LOOPS(NAME, TARGET)                                                 \
  TARGET void multiply_##NAME(const product& p, int64_t rows) {                       \
    multiply_in(p, rows);                                                             \
  }                                                                                   \
  TARGET void softmax_##NAME(float* row, int64_t count, int64_t padded) {             \
    softmax_in(row, count, padded);                                                   \
  }                                                                                   \
  TARGET void softmax_backward_##NAME(const float* p, float* gradient, int64_t count, \
                                      int64_t padded, float scale) {                  \
    softmax_backward_in(p, gradient, count, padded, scale);                           \
  }                                                                                   \
  constexpr compiled NAME##_loops{&multiply_##NAME, &softmax_##NAME, &softmax_backward_##NAME};

ATTENTION_LOOPS(plain, )
#ifdef ATTENTION_CLONES
ATTENTION_LOOPS(avx2, __attribute__((target("avx2,fma,bmi,bmi2"))))
ATTENTION_LOOPS(avx512, __attribute__((target("avx512f,avx2,fma,bmi,bmi2"))))
#endif

const compiled* loops_of(attention_loops which) {
#ifdef ATTENTION_CLONES
  __builtin_cpu_init();
  const bool fused = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool wide = fused && __builtin_cpu_supports("avx512f");
  switch (which) {
    case attention_loops::widest:
      return wide ? &avx512_loops : fused ? &avx2_loops : &plain_loops;
    case attention_loops::plain:
      return &plain_loops;
    case attention_loops::avx2:
      return fused ? &avx2_loops : nullptr;
    case attention_loops::avx512:
      return wide ? &avx512_loops : nullptr;
  }
  return nullptr;
#else
  const bool here = which == attention_loops::widest || which == attention_loops::plain;
  return here ? &plain_loops : nullptr;
#endif
}

/// What the process runs. Chosen before there are threads, so it needs no lock.
const compiled*& chosen() {
  static const compiled* loops = loops_of(attention_loops::widest);
  return loops;
}

void multiply(const product& p, int64_t rows) {
  chosen()->multiply(p, rows);
}

void softmax_row(float* row, int64_t count, int64_t padded) {
  chosen()->softmax_row(row, count, padded);
}

void softmax_row_backward(const float* p, float* gradient, int64_t count, int64_t padded,
                          float scale) {
  chosen()->softmax_row_backward(p, gradient, count, padded, scale);
}

}  // namespace

bool choose_attention_loops(attention_loops which) {
  const auto* loops = loops_of(which);
  if (loops == nullptr) return false;
  chosen() = loops;
  return true;
}

bool attention_loops_fuse() {
#ifdef ATTENTION_CLONES
  return chosen() != &plain_loops;
#else
  // Whatever the compiler was told to build for.
#ifdef __FP_FAST_FMAF
  return true;
#else
  return false;
#endif
#endif
}

attention_head::attention_head(int64_t tokens, int64_t size)
    : tokens_(tokens),
      size_(size),
      padded_(round_up(tokens)),
      scale_(static_cast<float>(1.0 / std::sqrt(static_cast<double>(size)))),
      transposed_(static_cast<size_t>(size * padded_), 0.0f),
      scores_(static_cast<size_t>(tokens * padded_), 0.0f) {}

void attention_head::lower_products(const float* a, int64_t a_stride, const float* b,
                                    int64_t b_stride, float factor, float* result) {
  for (int64_t c = 0; c < size_; ++c) {
    float* to = transposed_.data() + c * padded_;
    for (int64_t j = 0; j < tokens_; ++j)
      to[j] = factor * b[j * b_stride + c];
  }
  for (int64_t i = 0; i < tokens_; i += strip) {
    const int64_t rows = std::min(strip, tokens_ - i);
    multiply({a + i * a_stride, a_stride, 1, transposed_.data(), padded_, result + i * padded_,
              padded_, 0, size_, round_up(i + rows)},
             rows);
  }
}

void attention_head::forward(const float* query, const float* key, const float* value,
                             int64_t stride, float* probabilities, float* output,
                             int64_t output_stride) {
  lower_products(query, stride, key, stride, scale_, probabilities);
  for (int64_t i = 0; i < tokens_; i += strip) {
    const int64_t rows = std::min(strip, tokens_ - i);
    for (int64_t r = 0; r < rows; ++r) {
      softmax_row(probabilities + (i + r) * padded_, i + r + 1, padded_);
    }
    multiply({probabilities + i * padded_, padded_, 1, value, stride, output + i * output_stride,
              output_stride, 0, i + rows, size_},
             rows);
  }
}

void attention_head::backward(const float* query, const float* key, const float* value,
                              int64_t stride, const float* probabilities,
                              const float* output_gradient, int64_t output_stride,
                              float* query_gradient, float* key_gradient, float* value_gradient) {
  lower_products(output_gradient, output_stride, value, stride, 1.0f, scores_.data());
  for (int64_t i = 0; i < tokens_; i += strip) {
    const int64_t rows = std::min(strip, tokens_ - i);
    float* scores = scores_.data() + i * padded_;
    for (int64_t r = 0; r < rows; ++r) {
      softmax_row_backward(probabilities + (i + r) * padded_, scores + r * padded_, i + r + 1,
                           padded_, scale_);
    }
    multiply(
        {scores, padded_, 1, key, stride, query_gradient + i * stride, stride, 0, i + rows, size_},
        rows);
  }
  for (int64_t j = 0; j < tokens_; j += strip) {
    const int64_t rows = std::min(strip, tokens_ - j);
    multiply({scores_.data() + j, 1, padded_, query, stride, key_gradient + j * stride, stride, j,
              tokens_, size_},
             rows);
    multiply({probabilities + j, 1, padded_, output_gradient, output_stride,
              value_gradient + j * stride, stride, j, tokens_, size_},
             rows);
  }
}

}  // namespace swarm::tensors
