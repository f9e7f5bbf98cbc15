#include "tests/actors/toy_engine.hpp"

#include <cmath>
#include <cstring>
#include <map>

namespace swarm::testing {

namespace {

using tensors::engine_error;
using tensors::engine_fault;
using tensors::host_tensor;

constexpr size_t weights_count = 4;
constexpr double fixed_point_scale = 1 << 24;
constexpr double learning_rate = 0.05;

struct toy_activation final : tensors::activation {
  explicit toy_activation(std::vector<float> x) : input(std::move(x)) {}
  size_t bytes() const override { return input.size() * sizeof(float); }
  std::vector<float> input;
};

class toy_engine final : public tensors::stage_engine {
 public:
  toy_engine(bool first, bool last, int64_t microbatches) {
    config_.span = {0, 1, first, last};
    config_.mode = tensors::numeric_mode::reproducible;
    config_.microbatches_per_step = microbatches;
    state_ = {1.0F, 0.1F, 0.0F, 0.0F, 0, 0, 0, 0, 0, 0, 0, 0};
    clear_gradient();
  }

  const tensors::engine_config& config() const override { return config_; }

  tensors::forward_result forward(tensors::microbatch_key, const host_tensor& input,
                                  bool keep) override {
    auto x = values_of(input);
    auto y = x;
    for (float& v : y)
      v = state_[0] * v + state_[1];
    tensors::forward_result result;
    result.output = host_tensor::adopt(std::move(y), input.shape());
    if (keep) result.saved = std::make_shared<toy_activation>(std::move(x));
    return result;
  }

  host_tensor backward(tensors::microbatch_key, const tensors::activation& saved,
                       const host_tensor& output_gradient, int weight) override {
    return propagate(dynamic_cast<const toy_activation&>(saved).input, values_of(output_gradient),
                     output_gradient.shape(), weight);
  }

  tensors::loss_result loss(tensors::microbatch_key key, const host_tensor& input,
                            const host_tensor& targets, int weight) override {
    const auto y = values_of(forward(key, input, false).output);
    const auto t = values_of(targets);
    if (y.size() != t.size()) throw engine_error(engine_fault::wrong_shape, "targets");
    auto gradient = y;
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      gradient[i] = (y[i] - t[i]) / static_cast<float>(y.size()) /
                    static_cast<float>(config_.microbatches_per_step);
      sum += 0.5 * (y[i] - t[i]) * (y[i] - t[i]);
    }
    if (!std::isfinite(sum)) throw engine_error(engine_fault::non_finite, "loss");
    return {sum / static_cast<double>(y.size()),
            propagate(values_of(input), gradient, input.shape(), weight)};
  }

  double evaluate(const host_tensor& input, const host_tensor& targets) override {
    return loss({}, input, targets, 0).loss;
  }

  host_tensor logits(const host_tensor& input) override {
    // Token v is likelier the closer it is to the last output.
    const float last = values_of(infer(input)).back();
    std::vector<float> scores(8);
    for (size_t v = 0; v < scores.size(); ++v)
      scores[v] = -std::abs(static_cast<float>(v) - last);
    return host_tensor::adopt(std::move(scores), {1, 8});
  }

  host_tensor infer(const host_tensor& input) override { return forward({}, input, false).output; }

  host_tensor gradient_sum() const override {
    const auto& sum = sums_.at(selected_);
    return {tensors::dtype::i64, {weights_count}, sum, sum->data()};
  }

  void clear_gradient() override {
    sums_[tensors::own_sum] = std::make_shared<std::vector<int64_t>>(weights_count, 0);
  }

  void select_sum(uint32_t which) override {
    selected_ = which;
    auto& sum = sums_[which];
    if (!sum) sum = std::make_shared<std::vector<int64_t>>(weights_count, 0);
  }

  void forget_sum(uint32_t which) override { sums_.erase(which); }

  double set_reduced(const host_tensor& reduced) override {
    double squared_norm = 0;
    for (size_t i = 0; i < weights_count; ++i) {
      reduced_[i] = static_cast<double>(reduced.as<int64_t>()[i]) / fixed_point_scale;
      squared_norm += reduced_[i] * reduced_[i];
    }
    return squared_norm;
  }

  void apply(int64_t, double scale) override {
    for (size_t i = 0; i < weights_count; ++i)
      state_[i] -= static_cast<float>(learning_rate * scale * reduced_[i]);
    clear_gradient();
  }

  host_tensor export_state() const override {
    return host_tensor::adopt(state_, {3, weights_count});
  }

  void import_state(const host_tensor& state) override {
    if (state.elements() != 3 * static_cast<int64_t>(weights_count))
      throw engine_error(engine_fault::bad_state, "size");
    std::memcpy(state_.data(), state.data(), state.bytes());
  }

  std::string weights_hash() const override {
    return {reinterpret_cast<const char*>(state_.data()), weights_count * sizeof(float)};
  }

 private:
  static std::vector<float> values_of(const host_tensor& tensor) {
    std::vector<float> result(static_cast<size_t>(tensor.elements()));
    for (size_t i = 0; i < result.size(); ++i)
      result[i] = tensor.type() == tensors::dtype::i32 ? static_cast<float>(tensor.as<int32_t>()[i])
                                                       : tensor.as<float>()[i];
    return result;
  }

  host_tensor propagate(const std::vector<float>& x, const std::vector<float>& gradient,
                        const std::vector<int64_t>& shape, int weight) {
    double w0 = 0;
    double w1 = 0;
    std::vector<float> back(gradient.size());
    for (size_t i = 0; i < gradient.size(); ++i) {
      w0 += static_cast<double>(gradient[i]) * x[i];
      w1 += gradient[i];
      back[i] = gradient[i] * state_[0];
    }
    if (weight != 0) {
      // Somebody may still be reading the last sum.
      auto& sum = sums_.at(selected_);
      if (sum.use_count() > 1) sum = std::make_shared<std::vector<int64_t>>(*sum);
      (*sum)[0] += weight * std::llround(w0 * fixed_point_scale);
      (*sum)[1] += weight * std::llround(w1 * fixed_point_scale);
    }
    if (config_.span.first) return {};
    return host_tensor::adopt(std::move(back), shape);
  }

  tensors::engine_config config_;
  std::vector<float> state_;
  std::map<uint32_t, std::shared_ptr<std::vector<int64_t>>> sums_;
  uint32_t selected_ = tensors::own_sum;
  double reduced_[weights_count] = {};
};

}  // namespace

std::unique_ptr<tensors::stage_engine> make_toy_engine(bool first, bool last,
                                                       int64_t microbatches_per_step) {
  return std::make_unique<toy_engine>(first, last, microbatches_per_step);
}

std::pair<host_tensor, host_tensor> toy_microbatch(int64_t step, int64_t index) {
  std::vector<int32_t> tokens(6);
  std::vector<int32_t> targets(6);
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = static_cast<int32_t>((step * 7 + index * 3 + static_cast<int64_t>(i)) % 5);
    targets[i] = tokens[i] * 2 + 1;
  }
  return {host_tensor::adopt(std::move(tokens), {1, 6}),
          host_tensor::adopt(std::move(targets), {1, 6})};
}

std::vector<host_tensor> toy_reference(int64_t stages, int64_t microbatches, int64_t steps) {
  std::vector<std::unique_ptr<tensors::stage_engine>> engines;
  for (int64_t s = 0; s < stages; ++s)
    engines.push_back(make_toy_engine(s == 0, s == stages - 1, microbatches));
  for (int64_t step = 0; step < steps; ++step) {
    for (int64_t m = 0; m < microbatches; ++m) {
      auto [input, targets] = toy_microbatch(step, m);
      std::vector<std::shared_ptr<tensors::activation>> saved;
      for (int64_t s = 0; s + 1 < stages; ++s) {
        auto result = engines[static_cast<size_t>(s)]->forward({step, m}, input, true);
        input = result.output;
        saved.push_back(result.saved);
      }
      auto gradient = engines.back()->loss({step, m}, input, targets, 1).input_gradient;
      for (int64_t s = stages - 2; s >= 0; --s)
        gradient = engines[static_cast<size_t>(s)]->backward(
            {step, m}, *saved[static_cast<size_t>(s)], gradient, 1);
    }
    double squared_norm = 0;
    for (auto& engine : engines)
      squared_norm += engine->set_reduced(engine->gradient_sum());
    const double scale = tensors::clip_factor({}, squared_norm);
    for (auto& engine : engines)
      engine->apply(step, scale);
  }
  std::vector<host_tensor> result;
  for (auto& engine : engines) {
    const auto state = engine->export_state();
    result.emplace_back(state.type(), std::vector<int64_t>{state.shape()[1]}, state.owner(),
                        state.data());
  }
  return result;
}

}  // namespace swarm::testing
