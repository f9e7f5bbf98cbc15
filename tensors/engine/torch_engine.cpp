#include <ATen/core/Tensor.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cassert>
#include <cmath>
#include <cstring>
#include <map>

#include "tensors/engine/flat.hpp"
#include "tensors/engine/gradient_sum.hpp"
#include "tensors/engine/host_bridge.hpp"
#include "tensors/engine/stage_engine.hpp"
#include "tensors/model/random.hpp"
#include "tensors/model/stage_module.hpp"
#include "tensors/optim/accumulate.hpp"
#include "tensors/optim/adamw.hpp"

namespace swarm::tensors {

namespace {

using torch::autograd::variable_list;

/// A kept forward: the graph hangs on `output`.
struct graph_activation : activation {
  const void* engine = nullptr;
  int64_t version = 0;
  at::Tensor input;  ///< a leaf with a gradient, undefined at a first stage
  at::Tensor output;
  size_t held_bytes = 0;

  size_t bytes() const override { return held_bytes; }
};

template <class Work>
auto translated(Work work) -> decltype(work()) {
  decltype(work()) result{};
  translate_errors([&] { result = work(); });
  return result;
}

class torch_engine : public stage_engine {
 public:
  explicit torch_engine(const engine_config& config)
      : config_(config),
        layout_(parameter_layout(config.model, config.span)),
        elements_(flat_size(layout_)),
        parameters_(allocate_flat<float>(elements_)),
        first_(allocate_flat<float>(elements_)),
        second_(allocate_flat<float>(elements_)),
        module_(config.model, config.span, parameters_.get()),
        sum_(layout_, config.mode, config.microbatches_per_step) {
    fill_initial(config.model, layout_, config.seed, parameters_.get());
  }

  const engine_config& config() const override { return config_; }

  forward_result forward(microbatch_key key, const host_tensor& input, bool keep) override {
    require(!config_.span.last, "The last stage answers loss, evaluate and logits, not forward.");
    require_input(input);
    return translated([&] {
      forward_result result;
      if (keep) {
        auto saved = run(key, input);
        result.output = to_host(saved->output);
        result.saved = std::move(saved);
      } else {
        const c10::InferenceMode guard;
        result.output = to_host(module_.forward(to_torch(input), dropout(key)));
      }
      return result;
    });
  }

  host_tensor backward(microbatch_key key, const activation& saved,
                       const host_tensor& output_gradient, int weight) override {
    const auto* graph = dynamic_cast<const graph_activation*>(&saved);
    require(graph != nullptr && graph->engine == this && graph->version == version_,
            "The activation belongs to another engine or to older parameters; run the forward "
            "again.");
    require_weight(weight);
    if (output_gradient.type() != dtype::f32 || output_gradient.is_virtual() ||
        output_gradient.shape() != graph->output.sizes()) {
      throw engine_error(engine_fault::wrong_shape,
                         "The output gradient must be f32 and have the output's shape.");
    }
    if (!within(output_gradient.as<float>(), output_gradient.elements(), finite_limit)) {
      throw engine_error(engine_fault::non_finite, "The output gradient is not finite.");
    }
    return translated([&] {
      return differentiate(graph->output, to_torch(output_gradient), graph->input, weight);
    });
  }

  loss_result loss(microbatch_key key, const host_tensor& input, const host_tensor& targets,
                   int weight) override {
    require_last();
    require_weight(weight);
    require_input(input);
    require_targets(input, targets);
    return translated([&] {
      const auto graph = run(key, input);
      const auto mean = module_.loss(graph->output, to_torch(targets).to(at::kLong));
      loss_result result;
      result.loss = finite(mean.item<float>());
      result.input_gradient =
          differentiate(mean.div(config_.microbatches_per_step), {}, graph->input, weight);
      return result;
    });
  }

  double evaluate(const host_tensor& input, const host_tensor& targets) override {
    require_last();
    require_input(input);
    require_targets(input, targets);
    return translated([&] {
      const c10::InferenceMode guard;
      const auto hidden = module_.forward(to_torch(input), std::nullopt);
      return finite(module_.loss(hidden, to_torch(targets).to(at::kLong)).item<float>());
    });
  }

  host_tensor logits(const host_tensor& input) override {
    require_last();
    require_input(input);
    return translated([&] {
      const c10::InferenceMode guard;
      return to_host(module_.last_logits(module_.forward(to_torch(input), std::nullopt)));
    });
  }

  host_tensor infer(const host_tensor& input) override {
    require(!config_.span.last, "The last stage answers loss, evaluate and logits, not infer.");
    require_input(input);
    return translated([&] {
      const c10::InferenceMode guard;
      return to_host(module_.forward(to_torch(input), std::nullopt));
    });
  }

  host_tensor gradient_sum() const override {
    return selected_ == own_sum ? sum_.view() : shares_.at(selected_).view();
  }

  void select_sum(uint32_t which) override {
    if (which != own_sum)
      shares_.try_emplace(which, layout_, config_.mode, config_.microbatches_per_step);
    selected_ = which;
  }

  void forget_sum(uint32_t which) override { shares_.erase(which); }

  void clear_gradient() override { sum_.clear(); }

  double set_reduced(const host_tensor& reduced) override {
    return translated([&] {
      auto gradient = sum_.gradient_of(reduced);
      const auto rounding =
          config_.mode == numeric_mode::reproducible ? norm_rounding::grid : norm_rounding::none;
      const double norm = squared_norm(layout_, gradient.as<float>(), rounding);
      reduced_ = std::move(gradient);
      return norm;
    });
  }

  void apply(int64_t step, double scale) override {
    require(!reduced_.empty(), "There is no reduced gradient to apply; call set_reduced first.");
    require(step >= 0 && std::isfinite(scale), "The step is negative or the scale is not finite.");
    adamw_step(config_.optimizer, layout_, step, scale, parameters_.get(), reduced_.as<float>(),
               first_.get(), second_.get());
    reduced_ = {};
    sum_.clear();
    ++version_;
  }

  host_tensor export_state() const override {
    return translated([&] {
      void* bytes = nullptr;
      auto state = host_tensor::allocate(dtype::f32, {3, elements_}, &bytes);
      auto* target = static_cast<float*>(bytes);
      for (const auto* part : {&parameters_, &first_, &second_}) {
        std::memcpy(target, part->get(), elements_ * sizeof(float));
        target += elements_;
      }
      return state;
    });
  }

  void import_state(const host_tensor& state) override {
    require(state.type() == dtype::f32 && !state.is_virtual() &&
                state.shape() == std::vector<int64_t>{3, elements_},
            "The state has another size than this stage; fetch it from a peer of the same stage.");
    require(within(state.as<float>(), state.elements(), finite_limit),
            "The state holds a value that is not finite; fetch it from another peer.");
    const float* source = state.as<float>();
    for (const auto* part : {&parameters_, &first_, &second_}) {
      for (const auto& slot : layout_) {
        std::memcpy(part->get() + slot.offset, source + slot.offset, slot.size * sizeof(float));
      }
      source += elements_;
    }
    reduced_ = {};
    sum_.clear();
    ++version_;
  }

  int64_t elements() const override { return elements_; }

  host_tensor export_range(element_range range) const override {
    require_within(range);
    return translated([&] {
      void* bytes = nullptr;
      auto state = host_tensor::allocate(dtype::f32, {3, range.count}, &bytes);
      auto* target = static_cast<float*>(bytes);
      for (const auto* part : {&parameters_, &first_, &second_}) {
        std::memcpy(target, part->get() + range.first, range.count * sizeof(float));
        target += range.count;
      }
      return state;
    });
  }

  void import_range(element_range range, const host_tensor& state) override {
    require_within(range);
    require(state.type() == dtype::f32 && !state.is_virtual() &&
                state.shape() == std::vector<int64_t>{3, range.count},
            "The state has another size than its range; fetch it from a peer of the same stage.");
    require(within(state.as<float>(), state.elements(), finite_limit),
            "The state holds a value that is not finite; fetch it from another peer.");
    const float* source = state.as<float>();
    for (const auto* part : {&parameters_, &first_, &second_}) {
      for (const auto& slot : clipped(layout_, range.first, range.count)) {
        std::memcpy(part->get() + slot.offset, source + (slot.offset - range.first),
                    slot.size * sizeof(float));
      }
      source += range.count;
    }
    ++version_;
  }

  void apply_ranges(int64_t step, double scale, const std::vector<element_range>& ranges) override {
    require(!reduced_.empty(), "There is no reduced gradient to apply; call set_reduced first.");
    require(step >= 0 && std::isfinite(scale), "The step is negative or the scale is not finite.");
    std::vector<parameter_slot> slots;
    for (const auto& range : ranges) {
      require_within(range);
      for (auto& slot : clipped(layout_, range.first, range.count))
        slots.push_back(std::move(slot));
    }
    adamw_step(config_.optimizer, slots, step, scale, parameters_.get(), reduced_.as<float>(),
               first_.get(), second_.get());
    reduced_ = {};
    sum_.clear();
    ++version_;
  }

  std::string weights_hash() const override { return quick_hash(view_of(parameters_, elements_)); }

 private:
  static void require(bool condition, const char* otherwise) {
    if (!condition) throw engine_error(engine_fault::bad_state, otherwise);
  }

  static void require_weight(int weight) {
    require(weight >= -1 && weight <= 1, "A weight is -1, 0 or +1.");
  }

  void require_within(element_range range) const {
    require(range.first >= 0 && range.count >= 1 && range.first < elements_ &&
                range.count <= elements_ - range.first,
            "The range is not within the stage; ask a peer of the same stage.");
  }

  void require_last() const {
    require(config_.span.last, "Only the last stage has a loss and logits.");
  }

  void require_input(const host_tensor& input) const {
    const auto& model = config_.model;
    if (config_.span.first) {
      require_tokens(input, model.context, model.vocabulary, "tokens");
      return;
    }
    const auto& shape = input.shape();
    if (input.type() != dtype::f32 || shape.size() != 3 || shape[0] < 1 || shape[1] < 1 ||
        shape[1] > model.context || shape[2] != model.width || input.is_virtual()) {
      throw engine_error(engine_fault::wrong_shape,
                         "The input must be f32 [rows, tokens, " + std::to_string(model.width) +
                             "] with 1 to " + std::to_string(model.context) + " tokens.");
    }
  }

  void require_targets(const host_tensor& input, const host_tensor& targets) const {
    require_tokens(targets, config_.model.context, config_.model.vocabulary, "targets");
    if (targets.shape()[0] != input.shape()[0] || targets.shape()[1] != input.shape()[1]) {
      throw engine_error(engine_fault::wrong_shape,
                         "The targets must have as many rows and tokens as the input.");
    }
  }

  static double finite(float loss) {
    if (!std::isfinite(loss)) {
      throw engine_error(engine_fault::non_finite, "The loss is not finite.");
    }
    return loss;
  }

  std::optional<dropout_key> dropout(microbatch_key key) const {
    return dropout_key{config_.seed, key.step, key.index};
  }

  std::shared_ptr<graph_activation> run(microbatch_key key, const host_tensor& input) {
    auto graph = std::make_shared<graph_activation>();
    auto leaf = to_torch(input);
    if (!config_.span.first) graph->input = leaf.requires_grad_(true);
    graph->engine = this;
    graph->version = version_;
    graph->output = module_.forward(leaf, dropout(key));
    graph->held_bytes = module_.saved_bytes(input.shape()[0], input.shape()[1]) + input.bytes() +
                        graph->output.nbytes();
    return graph;
  }

  /// Gradients of `root`; the parameters' enter the sum, the input's is returned. The graph
  /// survives, so that a lost answer can be computed again.
  host_tensor differentiate(const at::Tensor& root, const at::Tensor& root_gradient,
                            const at::Tensor& input, int weight) {
    variable_list wanted;
    if (weight != 0) wanted = module_.parameters();
    if (input.defined()) wanted.push_back(input);
    if (wanted.empty()) return {};
    variable_list root_gradients;
    if (root_gradient.defined()) root_gradients.push_back(root_gradient);
    auto gradients = torch::autograd::grad({root}, wanted, root_gradients, /*retain_graph=*/true);
    at::Tensor input_gradient;
    if (input.defined()) {
      input_gradient = gradients.back().contiguous();
      gradients.pop_back();
      if (!within(input_gradient.data_ptr<float>(), input_gradient.numel(), finite_limit)) {
        throw engine_error(engine_fault::non_finite, "The input gradient is not finite.");
      }
    }
    if (weight != 0) {
      std::vector<const float*> pointers;
      for (auto& gradient : gradients) {
        gradient = gradient.contiguous();
        pointers.push_back(gradient.data_ptr<float>());
      }
      (selected_ == own_sum ? sum_ : shares_.at(selected_)).add(pointers, weight);
    }
    return input_gradient.defined() ? to_host(input_gradient) : host_tensor();
  }

  const engine_config config_;
  const std::vector<parameter_slot> layout_;
  const int64_t elements_;
  std::shared_ptr<float[]> parameters_;
  std::shared_ptr<float[]> first_;
  std::shared_ptr<float[]> second_;
  stage_module module_;
  mutable tensors::gradient_sum sum_;
  mutable std::map<uint32_t, tensors::gradient_sum> shares_;
  uint32_t selected_ = own_sum;
  host_tensor reduced_;  ///< f32, whatever the mode; empty until set
  int64_t version_ = 0;  ///< how often the parameters have changed
};

}  // namespace

std::unique_ptr<stage_engine> make_torch_engine(const engine_config& config) {
  const auto& span = config.span;
  const auto wrong = validate(config.model, 1);
  if (wrong) throw engine_error(engine_fault::bad_state, *wrong);
  if (span.first_block < 0 || span.end_block > config.model.layers ||
      span.first_block >= span.end_block || span.first != (span.first_block == 0) ||
      span.last != (span.end_block == config.model.layers)) {
    throw engine_error(engine_fault::bad_state, "The span does not fit the model's layers.");
  }
  if (config.model.tied_head && !(span.first && span.last)) {
    throw engine_error(engine_fault::bad_state, "A tied head needs one stage with both ends.");
  }
  if (config.microbatches_per_step < 1) {
    throw engine_error(engine_fault::bad_state, "A step needs at least one microbatch.");
  }
  return translated(
      [&]() -> std::unique_ptr<stage_engine> { return std::make_unique<torch_engine>(config); });
}

}  // namespace swarm::tensors
