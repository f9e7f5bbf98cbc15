#include "tensors/optim/adamw.hpp"

#include <torch/types.h>

// LibTorch's clip_grad.h needs it first.
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>

#include <boost/test/unit_test.hpp>
#include <cmath>

using namespace swarm::tensors;

namespace {

const model_config small_model = [] {
  model_config model;
  model.layers = 2;
  model.width = 24;
  model.heads = 2;
  model.vocabulary = 31;
  model.context = 9;
  return model;
}();

std::vector<parameter_slot> small_layout() {
  return parameter_layout(small_model, {0, 2, true, true});
}

torch::Tensor slot_view(torch::Tensor& flat, const parameter_slot& slot) {
  return flat.narrow(0, slot.offset, slot.size).view(slot.shape);
}

}  // namespace

BOOST_AUTO_TEST_CASE(follows_torch_adamw_with_clipping) {
  torch::manual_seed(1);
  const auto layout = small_layout();
  const int64_t size = flat_size(layout);
  optimizer_config config;
  config.warmup_steps = 5;
  config.decay_steps = 40;
  auto parameters = torch::zeros({size});
  auto first = torch::zeros({size});
  auto second = torch::zeros({size});
  std::vector<torch::Tensor> decaying;
  std::vector<torch::Tensor> others;
  std::vector<torch::Tensor> all;
  for (const auto& slot : layout) {
    auto values = torch::randn(slot.shape) * 0.1;
    slot_view(parameters, slot).copy_(values);
    all.push_back(values.clone().requires_grad_(true));
    (slot.decays ? decaying : others).push_back(all.back());
  }
  const auto options =
      torch::optim::AdamWOptions().betas({config.beta1, config.beta2}).eps(config.epsilon);
  torch::optim::AdamW stock(
      {torch::optim::OptimizerParamGroup(
           decaying, std::make_unique<torch::optim::AdamWOptions>(
                         torch::optim::AdamWOptions(options).weight_decay(config.weight_decay))),
       torch::optim::OptimizerParamGroup(
           others, std::make_unique<torch::optim::AdamWOptions>(
                       torch::optim::AdamWOptions(options).weight_decay(0.0)))},
      options);
  for (int64_t step = 0; step < 50; ++step) {
    auto gradient = torch::zeros({size});
    for (size_t i = 0; i < layout.size(); ++i) {
      slot_view(gradient, layout[i])
          .copy_(torch::randn(layout[i].shape) * (step % 2 ? 0.001 : 1.0));
      all[i].mutable_grad() = slot_view(gradient, layout[i]).clone();
    }
    const double stock_norm = torch::nn::utils::clip_grad_norm_(all, config.clip_norm);
    const double squares = squared_norm(layout, gradient.data_ptr<float>());
    BOOST_TEST(std::sqrt(squares) == stock_norm, boost::test_tools::tolerance(1e-6));
    for (auto& group : stock.param_groups()) {
      static_cast<torch::optim::AdamWOptions&>(group.options()).lr(learning_rate(config, step));
    }
    stock.step();
    adamw_step(config, layout, step, clip_factor(config, squares), parameters.data_ptr<float>(),
               gradient.data_ptr<float>(), first.data_ptr<float>(), second.data_ptr<float>());
  }
  for (size_t i = 0; i < layout.size(); ++i) {
    const auto mine = slot_view(parameters, layout[i]);
    BOOST_TEST((mine - all[i]).abs().max().item<double>() < 1e-6, layout[i].name);
  }
}

BOOST_AUTO_TEST_CASE(leaves_the_gaps_alone) {
  const auto layout = small_layout();
  std::vector<float> parameters(flat_size(layout), 5.0f);
  const std::vector<float> gradient(parameters.size(), 1.0f);
  auto first = std::vector<float>(parameters.size(), 0.0f);
  auto second = first;
  adamw_step({}, layout, 0, 1.0, parameters.data(), gradient.data(), first.data(), second.data());
  size_t gaps = parameters.size();
  for (const auto& slot : layout)
    gaps -= slot.size;
  size_t untouched = 0;
  for (const float value : parameters)
    untouched += value == 5.0f;
  BOOST_TEST(gaps > 0u);
  BOOST_TEST(untouched == gaps);
}

BOOST_AUTO_TEST_CASE(schedule_is_nanogpts) {
  optimizer_config config;
  config.learning_rate = 1.0;
  config.learning_rate_min = 0.1;
  config.warmup_steps = 9;
  config.decay_steps = 109;
  BOOST_TEST(learning_rate(config, 0) == 0.1, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(learning_rate(config, 8) == 0.9, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(learning_rate(config, 9) == 1.0, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(learning_rate(config, 59) == 0.55, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(learning_rate(config, 109) == 0.1, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(learning_rate(config, 100000) == 0.1);
  config.warmup_steps = 0;
  config.decay_steps = 0;
  BOOST_TEST(std::isfinite(learning_rate(config, 0)));
}

BOOST_AUTO_TEST_CASE(clipping_can_be_switched_off) {
  optimizer_config config;
  BOOST_TEST(clip_factor(config, 0.25) == 1.0);
  BOOST_TEST(clip_factor(config, 100.0) == 1.0 / (10.0 + 1e-6));
  config.clip_norm = 0;
  BOOST_TEST(clip_factor(config, 1e12) == 1.0);
}

BOOST_AUTO_TEST_CASE(rounded_norms_add_up_to_the_same_bits_for_every_partition) {
  torch::manual_seed(2);
  model_config model = small_model;
  model.layers = 6;
  const stage_span whole_span{0, 6, true, true};
  const auto whole = parameter_layout(model, whole_span);
  auto gradient = torch::randn({flat_size(whole)}) * 0.03;
  const double wanted = squared_norm(whole, gradient.data_ptr<float>(), norm_rounding::grid);
  BOOST_TEST(wanted == squared_norm(whole, gradient.data_ptr<float>()),
             boost::test_tools::tolerance(1e-9));
  for (int64_t stages = 1; stages <= 6; ++stages) {
    double sum = 0;
    for (const auto& span : partition(model, stages)) {
      const auto layout = parameter_layout(model, span);
      std::vector<float> part(flat_size(layout), 0.0f);
      for (const auto& slot : layout) {
        for (const auto& same : whole) {
          if (same.name != slot.name) continue;
          std::copy_n(gradient.data_ptr<float>() + same.offset, slot.size, &part[slot.offset]);
        }
      }
      sum += squared_norm(layout, part.data(), norm_rounding::grid);
    }
    BOOST_TEST(sum == wanted);
  }
}
