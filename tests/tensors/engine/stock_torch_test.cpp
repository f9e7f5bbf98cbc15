#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/optim/adamw.h>
#include <torch/types.h>

// LibTorch's clip_grad.h needs the types first.
#include <torch/nn/utils/clip_grad.h>

#include <boost/test/unit_test.hpp>
#include <map>

#include "tensors/engine/reference_trainer.hpp"
#include "tests/tensors/engine/training_fixture.hpp"

using namespace swarm::tensors;
using namespace swarm::tensors::testing;

namespace {

namespace nn = torch::nn;

constexpr int64_t rows = 3;
constexpr int64_t microbatches = 2;

/// The same decoder out of LibTorch's own modules, as a tutorial would write it.
struct stock_gpt {
  struct block {
    nn::LayerNorm norm1{nullptr}, norm2{nullptr};
    nn::Linear attention{nullptr}, projection{nullptr}, expand{nullptr}, contract{nullptr};
  };

  explicit stock_gpt(const model_config& given) : model(given) {
    const int64_t d = model.width;
    tokens = nn::Embedding(model.vocabulary, d);
    positions = nn::Embedding(model.context, d);
    keep("wte", tokens);
    keep("wpe", positions);
    for (int64_t layer = 0; layer < model.layers; ++layer) {
      block b{nn::LayerNorm(nn::LayerNormOptions({d})),
              nn::LayerNorm(nn::LayerNormOptions({d})),
              nn::Linear(d, 3 * d),
              nn::Linear(d, d),
              nn::Linear(d, 4 * d),
              nn::Linear(4 * d, d)};
      const std::string prefix = "h." + std::to_string(layer);
      keep(prefix + ".ln_1", b.norm1);
      keep(prefix + ".ln_2", b.norm2);
      keep(prefix + ".attn.c_attn", b.attention);
      keep(prefix + ".attn.c_proj", b.projection);
      keep(prefix + ".mlp.c_fc", b.expand);
      keep(prefix + ".mlp.c_proj", b.contract);
      blocks.push_back(b);
    }
    norm = nn::LayerNorm(nn::LayerNormOptions({d}));
    head = nn::Linear(nn::LinearOptions(d, model.vocabulary).bias(false));
    keep("ln_f", norm);
    keep("lm_head", head);
  }

  template <class Module>
  void keep(const std::string& name, const Module& module) {
    for (const auto& item : module->named_parameters()) {
      parameters[name + "." + item.key()] = item.value();
    }
  }

  void load(const host_tensor& flat) {
    const torch::NoGradGuard guard;
    for (const auto& slot : parameter_layout(model, whole_model(model))) {
      const float* values = flat.as<float>() + slot.offset;
      parameters.at(slot.name).copy_(torch::from_blob(const_cast<float*>(values), slot.shape));
    }
  }

  torch::Tensor attend(block& b, const torch::Tensor& x) {
    const auto batch = x.size(0);
    const auto count = x.size(1);
    auto parts = b.attention(b.norm1(x)).split(model.width, 2);
    for (auto& part : parts) {
      part = part.view({batch, count, model.heads, model.width / model.heads}).transpose(1, 2);
    }
    auto scores = torch::matmul(parts[0], parts[1].transpose(-2, -1)) /
                  std::sqrt(static_cast<double>(model.width / model.heads));
    const auto future = torch::ones({count, count}, torch::kBool).triu(1);
    scores = scores.masked_fill(future, -std::numeric_limits<float>::infinity());
    const auto mixed = torch::matmul(torch::softmax(scores, -1), parts[2]);
    return b.projection(mixed.transpose(1, 2).contiguous().view({batch, count, model.width}));
  }

  torch::Tensor loss(const host_tensor& inputs, const host_tensor& targets) {
    const auto as_long = [](const host_tensor& tensor) {
      return torch::from_blob(const_cast<void*>(tensor.data()), tensor.shape(), torch::kInt)
          .to(torch::kLong);
    };
    const auto input = as_long(inputs);
    auto x = tokens(input) + positions(torch::arange(input.size(1)));
    for (auto& b : blocks) {
      x = x + attend(b, x);
      x = x + b.contract(torch::gelu(b.expand(b.norm2(x))));
    }
    const auto logits = head(norm(x)).view({-1, model.vocabulary});
    return torch::cross_entropy_loss(logits, as_long(targets).view({-1}));
  }

  model_config model;
  nn::Embedding tokens{nullptr}, positions{nullptr};
  std::vector<block> blocks;
  nn::LayerNorm norm{nullptr};
  nn::Linear head{nullptr};
  std::map<std::string, torch::Tensor> parameters;
};

torch::optim::AdamWOptions decay_of(double decay, const optimizer_config& config) {
  return torch::optim::AdamWOptions()
      .betas({config.beta1, config.beta2})
      .eps(config.epsilon)
      .weight_decay(decay);
}

/// Decay on matrices only, as nanoGPT groups them.
torch::optim::AdamW stock_optimizer(const stock_gpt& model, const optimizer_config& config) {
  std::vector<torch::Tensor> matrices;
  std::vector<torch::Tensor> vectors;
  for (const auto& [name, parameter] : model.parameters) {
    (parameter.dim() >= 2 ? matrices : vectors).push_back(parameter);
  }
  using torch::optim::AdamWOptions;
  return torch::optim::AdamW(
      {torch::optim::OptimizerParamGroup(
           matrices, std::make_unique<AdamWOptions>(decay_of(config.weight_decay, config))),
       torch::optim::OptimizerParamGroup(vectors,
                                         std::make_unique<AdamWOptions>(decay_of(0.0, config)))},
      AdamWOptions());
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_loss_curve_is_that_of_stock_modules) {
  engine_config config;
  config.model = tiny_model();
  config.span = whole_model(config.model);
  config.microbatches_per_step = microbatches;
  config.optimizer.warmup_steps = 4;
  config.optimizer.decay_steps = 40;
  reference_trainer ours(config, [&](int64_t step, int64_t index) {
    return microbatch(config.model, rows, step, index);
  });
  stock_gpt stock(config.model);
  stock.load(ours.parameters());
  auto optimizer = stock_optimizer(stock, config.optimizer);
  std::vector<torch::Tensor> all;
  for (const auto& [name, parameter] : stock.parameters)
    all.push_back(parameter);
  double first = 0;
  double last = 0;
  for (int64_t step = 0; step < 25; ++step) {
    optimizer.zero_grad();
    double loss = 0;
    for (int64_t index = 0; index < microbatches; ++index) {
      const auto [inputs, targets] = microbatch(config.model, rows, step, index);
      const auto part = stock.loss(inputs, targets) / microbatches;
      part.backward();
      loss += part.item<double>();
    }
    const double norm = torch::nn::utils::clip_grad_norm_(all, config.optimizer.clip_norm);
    for (auto& group : optimizer.param_groups()) {
      static_cast<torch::optim::AdamWOptions&>(group.options())
          .lr(learning_rate(config.optimizer, step));
    }
    optimizer.step();
    const auto result = ours.step();
    BOOST_TEST(result.loss == loss, boost::test_tools::tolerance(2e-6));
    BOOST_TEST(std::sqrt(result.squared_norm) == norm, boost::test_tools::tolerance(2e-5));
    if (step == 0) first = loss;
    last = loss;
  }
  BOOST_TEST(last < first - 0.1);
}
