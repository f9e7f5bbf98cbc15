#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <boost/test/unit_test.hpp>
#include <limits>

#include "tensors/model/attention.hpp"

using namespace swarm::tensors;

namespace {

/// The textbook formula, in the type of its input.
at::Tensor textbook(const at::Tensor& qkv, int64_t rows, int64_t tokens, int64_t heads,
                    const at::Tensor& dropout) {
  const int64_t width = qkv.size(1) / 3;
  const auto split = [&](int64_t part) {
    return qkv.narrow(1, part * width, width)
        .reshape({rows, tokens, heads, width / heads})
        .transpose(1, 2);
  };
  const auto future = at::triu(at::ones({tokens, tokens}, at::kBool), 1);
  auto scores = at::matmul(split(0), split(1).transpose(2, 3)) /
                std::sqrt(static_cast<double>(width / heads));
  auto weights =
      at::softmax(scores.masked_fill(future, -std::numeric_limits<double>::infinity()), -1);
  if (dropout.defined()) weights = weights * dropout.view(weights.sizes());
  return at::matmul(weights, split(2)).transpose(1, 2).reshape({rows * tokens, width});
}

void compare(int64_t rows, int64_t tokens, int64_t heads, int64_t head, bool with_dropout,
             double spread = 1.0) {
  at::manual_seed(rows * 1000 + tokens * 10 + heads);
  auto qkv = (at::randn({rows * tokens, 3 * heads * head}) * spread).requires_grad_(true);
  auto exact = qkv.detach().to(at::kDouble).requires_grad_(true);
  at::Tensor dropout;
  if (with_dropout) dropout = at::rand({rows * heads, tokens, tokens}) * 2;
  const auto upstream = at::randn({rows * tokens, heads * head});
  const auto got = causal_attention(qkv, rows, tokens, heads, dropout);
  const auto wanted =
      textbook(exact, rows, tokens, heads, with_dropout ? dropout.to(at::kDouble) : at::Tensor());
  BOOST_TEST(at::allclose(got.to(at::kDouble), wanted, 1e-5, 2e-6 * spread));
  const auto got_gradient = torch::autograd::grad({got}, {qkv}, {upstream})[0];
  const auto wanted_gradient =
      torch::autograd::grad({wanted}, {exact}, {upstream.to(at::kDouble)})[0];
  const auto error =
      (got_gradient.to(at::kDouble) - wanted_gradient).norm() / (wanted_gradient.norm() + 1e-30);
  BOOST_TEST(error.item<double>() < 2e-6 * spread);
}

}  // namespace

BOOST_AUTO_TEST_CASE(matches_the_textbook_formula_and_its_gradient) {
  compare(1, 1, 1, 8, false);
  compare(2, 5, 3, 4, false);
  compare(3, 64, 4, 32, false);
  compare(2, 67, 2, 24, false);
  compare(1, 130, 2, 64, false);
  compare(2, 33, 1, 17, false);
  compare(2, 33, 2, 16, true);
}

BOOST_AUTO_TEST_CASE(survives_scores_that_overflow_an_exponential) {
  compare(2, 40, 2, 16, false, 30.0);
}

BOOST_AUTO_TEST_CASE(the_future_changes_nothing) {
  auto qkv = at::randn({16, 3 * 8});
  const auto before = causal_attention(qkv, 1, 16, 2, {});
  qkv.narrow(0, 10, 6).fill_(100.0);
  const auto after = causal_attention(qkv, 1, 16, 2, {});
  BOOST_TEST(at::equal(before.narrow(0, 0, 10), after.narrow(0, 0, 10)));
  BOOST_TEST(!at::equal(before, after));
}

BOOST_AUTO_TEST_CASE(a_score_that_is_not_a_number_stays_visible) {
  auto qkv = at::zeros({4, 3 * 8});
  qkv.fill_(std::numeric_limits<float>::quiet_NaN());
  BOOST_TEST(at::isnan(causal_attention(qkv, 1, 4, 2, {})).all().item<bool>());
}
