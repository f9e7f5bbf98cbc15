#include "tensors/model/attention_kernels.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <vector>

#include "tensors/model/random.hpp"

using namespace swarm::tensors;

namespace {

constexpr int64_t tokens = 67;
constexpr int64_t size = 24;

std::vector<float> noise(uint64_t stream, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  counter_random{stream_key(7, std::vector<uint64_t>{stream})}.normal(values.data(), values.size(),
                                                                      1.0);
  return values;
}

/// Output and gradients of one head with these loops; nothing where there are none.
std::vector<float> computed(attention_loops which) {
  if (!choose_attention_loops(which)) return {};
  attention_head head{tokens, size};
  const int64_t matrix = tokens * size;
  const auto inputs = noise(1, 3 * matrix);
  const auto upstream = noise(2, matrix);
  std::vector<float> weights(static_cast<size_t>(tokens * head.probability_stride()));
  std::vector<float> results(static_cast<size_t>(4 * matrix));
  const float* q = inputs.data();
  float* out = results.data();
  head.forward(q, q + matrix, q + 2 * matrix, size, weights.data(), out, size);
  head.backward(q, q + matrix, q + 2 * matrix, size, weights.data(), upstream.data(), size,
                out + matrix, out + 2 * matrix, out + 3 * matrix);
  choose_attention_loops(attention_loops::widest);
  return results;
}

}  // namespace

BOOST_AUTO_TEST_CASE(wider_registers_have_the_same_bits) {
  const auto narrow = computed(attention_loops::avx2);
  const auto wide = computed(attention_loops::avx512);
  if (narrow.empty() || wide.empty()) return;  // nothing to compare on this processor
  BOOST_TEST((narrow == wide));
}

BOOST_AUTO_TEST_CASE(plain_loops_are_there_everywhere_and_differ_by_rounding_only) {
  const auto plain = computed(attention_loops::plain);
  const auto widest = computed(attention_loops::widest);
  BOOST_REQUIRE(!plain.empty());
  BOOST_REQUIRE_EQUAL(plain.size(), widest.size());
  float largest = 0;
  for (size_t i = 0; i < plain.size(); ++i)
    largest = std::max(largest, std::fabs(plain[i] - widest[i]));
  BOOST_TEST(largest < 1e-5F);
}

BOOST_AUTO_TEST_CASE(what_was_chosen_is_what_runs) {
  BOOST_REQUIRE(choose_attention_loops(attention_loops::plain));
#if defined(__x86_64__) && !defined(__FMA__)
  BOOST_TEST(!attention_loops_fuse());
#endif
  if (choose_attention_loops(attention_loops::avx2)) BOOST_TEST(attention_loops_fuse());
  choose_attention_loops(attention_loops::widest);
}
