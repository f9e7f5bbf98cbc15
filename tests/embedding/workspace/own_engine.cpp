// Three workers inside this program train an engine of our own, without LibTorch: a table that says
// how likely each letter follows each other.

#include <caf/all.hpp>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "actors/peer/embedded_swarm.hpp"

namespace {

using swarm::tensors::engine_error;
using swarm::tensors::engine_fault;
using swarm::tensors::host_tensor;

const std::string text = "how much wood would a woodchuck chuck if a woodchuck could chuck wood ";
constexpr int64_t letters = 27;  // a to z and the space
constexpr int64_t table_size = letters * letters;
constexpr int64_t context = 16;
constexpr int64_t microbatches_per_step = 6;

int32_t token_of(char c) {
  return c == ' ' ? 26 : c - 'a';
}

char letter_of(int32_t token) {
  return token == 26 ? ' ' : static_cast<char>('a' + token);
}

class letter_table final : public swarm::tensors::stage_engine {
 public:
  explicit letter_table(const swarm::tensors::engine_config& config) : config_(config) {
    clear_gradient();
  }

  const swarm::tensors::engine_config& config() const override { return config_; }

  // The only stage is the last one, and a last stage is only asked for losses and logits.
  swarm::tensors::forward_result forward(swarm::tensors::microbatch_key, const host_tensor&,
                                         bool) override {
    throw engine_error(engine_fault::internal, "there is no stage after this one");
  }
  host_tensor backward(swarm::tensors::microbatch_key, const swarm::tensors::activation&,
                       const host_tensor&, int) override {
    throw engine_error(engine_fault::internal, "there is no stage after this one");
  }
  host_tensor infer(const host_tensor&) override {
    throw engine_error(engine_fault::internal, "there is no stage after this one");
  }

  swarm::tensors::loss_result loss(swarm::tensors::microbatch_key, const host_tensor& input,
                                   const host_tensor& targets, int weight) override {
    // Somebody may still be reading the last sum: a change makes a new one.
    if (weight != 0 && sum_.use_count() > 1) sum_ = std::make_shared<std::vector<float>>(*sum_);
    const auto count = input.elements();
    if (targets.elements() != count) throw engine_error(engine_fault::wrong_shape, "targets");
    const auto share = 1.0 / static_cast<double>(count * config_.microbatches_per_step);
    double total = 0;
    for (int64_t i = 0; i < count; ++i) {
      const auto row = static_cast<size_t>(input.as<int32_t>()[i] * letters);
      const auto target = static_cast<size_t>(targets.as<int32_t>()[i]);
      const auto likely = probabilities(row);
      total -= std::log(likely[target]);
      if (weight == 0) continue;
      for (size_t next = 0; next < likely.size(); ++next) {
        const double slope = (likely[next] - (next == target ? 1.0 : 0.0)) * share;
        (*sum_)[row + next] += static_cast<float>(weight * slope);
      }
    }
    if (!std::isfinite(total)) throw engine_error(engine_fault::non_finite, "the loss");
    return {total / static_cast<double>(count), {}};
  }

  double evaluate(const host_tensor& input, const host_tensor& targets) override {
    return loss({}, input, targets, 0).loss;
  }

  host_tensor logits(const host_tensor& input) override {
    const auto last = input.as<int32_t>()[input.elements() - 1];
    const auto row = state_.begin() + last * letters;
    return host_tensor::adopt(std::vector<float>(row, row + letters), {1, letters});
  }

  host_tensor gradient_sum() const override {
    return {swarm::tensors::dtype::f32, {table_size}, sum_, sum_->data()};
  }

  void clear_gradient() override { sum_ = std::make_shared<std::vector<float>>(table_size); }

  double set_reduced(const host_tensor& reduced) override {
    reduced_.assign(reduced.as<float>(), reduced.as<float>() + table_size);
    double squared_norm = 0;
    for (const float slope : reduced_)
      squared_norm += static_cast<double>(slope) * slope;
    return squared_norm;
  }

  void apply(int64_t step, double scale) override {
    const double rate = swarm::tensors::learning_rate(config_.optimizer, step) * scale;
    for (size_t i = 0; i < reduced_.size(); ++i)
      state_[i] -= static_cast<float>(rate * reduced_[i]);
    clear_gradient();
  }

  host_tensor export_state() const override { return host_tensor::adopt(state_, {3, table_size}); }

  void import_state(const host_tensor& state) override {
    if (state.elements() != 3 * table_size) throw engine_error(engine_fault::bad_state, "size");
    std::memcpy(state_.data(), state.data(), state.bytes());
  }

  std::string weights_hash() const override {
    const std::string bytes(reinterpret_cast<const char*>(state_.data()),
                            table_size * sizeof(float));
    return std::to_string(std::hash<std::string>{}(bytes));
  }

 private:
  std::vector<double> probabilities(size_t row) const {
    std::vector<double> result(letters);
    double total = 0;
    for (size_t i = 0; i < result.size(); ++i)
      total += result[i] = std::exp(static_cast<double>(state_[row + i]));
    for (double& p : result)
      p /= total;
    return result;
  }

  swarm::tensors::engine_config config_;
  // The table, then the two moments that other optimizers would keep.
  std::vector<float> state_ = std::vector<float>(3 * table_size);
  std::shared_ptr<std::vector<float>> sum_;
  std::vector<float> reduced_;
};

/// A pure function: whoever asks for microbatch (step, index) gets the same letters.
std::pair<host_tensor, host_tensor> microbatch(int64_t step, int64_t index) {
  const int64_t first = (step * microbatches_per_step + index) * context;
  std::vector<int32_t> input;
  std::vector<int32_t> targets;
  for (int64_t i = first; i < first + context; ++i) {
    input.push_back(token_of(text[static_cast<size_t>(i) % text.size()]));
    targets.push_back(token_of(text[static_cast<size_t>(i + 1) % text.size()]));
  }
  return {host_tensor::adopt(std::move(input), {1, context}),
          host_tensor::adopt(std::move(targets), {1, context})};
}

}  // namespace

int main() {
  swarm::peer::embedded_options options;
  options.workers_per_stage = 3;
  options.optimizer.learning_rate = 20;
  options.optimizer.warmup_steps = 0;
  options.microbatches_per_step = microbatches_per_step;
  options.tokens_per_microbatch = context;
  options.context = context;
  options.microbatches = microbatch;
  options.validation = microbatch;
  options.make_engine = [&options](swarm::stage_id) {
    swarm::tensors::engine_config config;
    config.optimizer = options.optimizer;
    config.microbatches_per_step = microbatches_per_step;
    return std::make_unique<letter_table>(config);
  };

  caf::actor_system_config config;
  swarm::peer::add_message_types(config);
  caf::actor_system system{config};
  swarm::peer::embedded_swarm swarm{system, options};

  const auto before = swarm.evaluate(5);
  const auto reached = swarm.advance(60);
  const auto after = swarm.evaluate(5);
  const auto sample = swarm.generate({token_of('w')}, 40, 1.0, 7);
  for (const auto* answer : {&before, &after}) {
    if (*answer) continue;
    std::fprintf(stderr, "no loss: %s\n", system.render(answer->error()).c_str());
    return 1;
  }
  if (!reached || !sample) {
    const auto& error = reached ? sample.error() : reached.error();
    std::fprintf(stderr, "the swarm has failed: %s\n", system.render(error).c_str());
    return 1;
  }
  std::string letters_drawn;
  for (const auto token : *sample)
    letters_drawn += letter_of(token);
  std::printf("%lld steps, loss %.3f, before %.3f\n%s\n", static_cast<long long>(*reached), *after,
              *before, letters_drawn.c_str());
  return *after < 1.6 ? 0 : 1;
}
