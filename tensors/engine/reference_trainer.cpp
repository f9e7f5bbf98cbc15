#include "tensors/engine/reference_trainer.hpp"

#include <ATen/core/Tensor.h>
#include <c10/core/InferenceMode.h>

#include <cassert>
#include <cmath>
#include <cstring>
#include <vector>

#include "tensors/engine/flat.hpp"
#include "tensors/engine/host_bridge.hpp"
#include "tensors/engine/thread_layout.hpp"
#include "tensors/model/random.hpp"
#include "tensors/model/stage_module.hpp"
#include "tensors/optim/accumulate.hpp"
#include "tensors/optim/adamw.hpp"

namespace swarm::tensors {

struct reference_trainer::state {
  state(const engine_config& given, microbatch_source microbatches)
      : config(given),
        source(std::move(microbatches)),
        layout(parameter_layout(given.model, given.span)),
        elements(flat_size(layout)),
        parameters(allocate_flat<float>(elements)),
        first(allocate_flat<float>(elements)),
        second(allocate_flat<float>(elements)),
        gradient(allocate_flat<float>(elements)),
        module(given.model, given.span, parameters.get()) {
    fill_initial(config.model, layout, config.seed, parameters.get());
    if (reproducible()) fixed = allocate_flat<int64_t>(elements);
  }

  bool reproducible() const { return config.mode == numeric_mode::reproducible; }

  void check(const host_tensor& inputs, const host_tensor& targets) const {
    require_tokens(inputs, config.model.context, config.model.vocabulary, "tokens");
    require_tokens(targets, config.model.context, config.model.vocabulary, "targets");
    if (inputs.shape() != targets.shape()) {
      throw engine_error(engine_fault::wrong_shape, "Tokens and targets differ in shape.");
    }
  }

  void zero_grad() {
    for (const auto& parameter : module.parameters())
      parameter.mutable_grad().reset();
  }

  double backward_one(int64_t index) {
    const auto [inputs, targets] = source(next_step, index);
    check(inputs, targets);
    const dropout_key key{config.seed, next_step, index};
    const auto loss =
        module.loss(module.forward(to_torch(inputs), key), to_torch(targets).to(at::kLong));
    loss.div(config.microbatches_per_step).backward();
    const double value = loss.item<float>();
    if (!std::isfinite(value)) {
      throw engine_error(engine_fault::non_finite, "The loss is not finite.");
    }
    return value;
  }

  void move_grad_into_fixed() {
    for (size_t i = 0; i < layout.size(); ++i) {
      const auto grad = module.parameters()[i].grad().contiguous();
      accumulate_fixed(fixed.get() + layout[i].offset, grad.data_ptr<float>(), layout[i].size, 1);
    }
    zero_grad();
  }

  void collect_gradient() {
    if (reproducible()) {
      to_float(gradient.get(), fixed.get(), elements);
      return;
    }
    for (size_t i = 0; i < layout.size(); ++i) {
      const auto grad = module.parameters()[i].grad().contiguous();
      std::memcpy(gradient.get() + layout[i].offset, grad.data_ptr<float>(),
                  layout[i].size * sizeof(float));
    }
  }

  step_result step() {
    step_result result;
    zero_grad();
    if (reproducible()) std::memset(fixed.get(), 0, elements * sizeof(int64_t));
    for (int64_t index = 0; index < config.microbatches_per_step; ++index) {
      result.loss += backward_one(index) / static_cast<double>(config.microbatches_per_step);
      if (reproducible()) move_grad_into_fixed();
    }
    collect_gradient();
    result.squared_norm = squared_norm(layout, gradient.get(),
                                       reproducible() ? norm_rounding::grid : norm_rounding::none);
    if (!std::isfinite(result.squared_norm)) {
      throw engine_error(engine_fault::non_finite, "The gradient is not finite.");
    }
    result.learning_rate = learning_rate(config.optimizer, next_step);
    adamw_step(config.optimizer, layout, next_step,
               clip_factor(config.optimizer, result.squared_norm), parameters.get(), gradient.get(),
               first.get(), second.get());
    ++next_step;
    return result;
  }

  const engine_config config;
  const microbatch_source source;
  const std::vector<parameter_slot> layout;
  const int64_t elements;
  std::shared_ptr<float[]> parameters;
  std::shared_ptr<float[]> first;
  std::shared_ptr<float[]> second;
  std::shared_ptr<float[]> gradient;
  std::shared_ptr<int64_t[]> fixed;
  stage_module module;
  int64_t next_step = 0;
};

reference_trainer::reference_trainer(const engine_config& config, microbatch_source source,
                                     int intra_op_threads) {
  assert(config.span.first && config.span.last);
  configure_thread(intra_op_threads, config.mode);
  translate_errors([&] { state_ = std::make_unique<state>(config, std::move(source)); });
}

reference_trainer::~reference_trainer() = default;

step_result reference_trainer::step() {
  step_result result;
  translate_errors([&] { result = state_->step(); });
  return result;
}

double reference_trainer::evaluate(const host_tensor& inputs, const host_tensor& targets) {
  double loss = 0;
  translate_errors([&] {
    state_->check(inputs, targets);
    const c10::InferenceMode guard;
    const auto hidden = state_->module.forward(to_torch(inputs), std::nullopt);
    loss = state_->module.loss(hidden, to_torch(targets).to(at::kLong)).item<float>();
  });
  return loss;
}

host_tensor reference_trainer::parameters() const {
  void* bytes = nullptr;
  auto copy = host_tensor::allocate(dtype::f32, {state_->elements}, &bytes);
  std::memcpy(bytes, state_->parameters.get(), state_->elements * sizeof(float));
  return copy;
}

std::string reference_trainer::weights_hash() const {
  return tensors::weights_hash(view_of(state_->parameters, state_->elements));
}

}  // namespace swarm::tensors
