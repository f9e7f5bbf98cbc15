#include "actors/simulation/modelled_engine.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <utility>

#include "actors/random.hpp"

namespace swarm::simulation {

namespace {

using tensors::engine_error;
using tensors::engine_fault;
using tensors::host_tensor;
using words = std::vector<uint64_t>;
using sums = std::vector<int64_t>;

/// A fingerprint's size, so that a million of them fit a sum.
constexpr int fingerprint_bits = 40;
/// Squared norms are small whole numbers, whose sum over the stages is exact in any order.
constexpr uint64_t squared_norm_max = 1023;
constexpr int64_t vocabulary = 8;

uint64_t mix(uint64_t a, uint64_t b) {
  return mixed_bits(a + 0x9e3779b97f4a7c15ULL + mixed_bits(b + 0x9e3779b97f4a7c15ULL) * 3);
}

/// Of each element of a stage's gradient: what its place adds to every fingerprint.
words places(int32_t stage, size_t elements) {
  words result(elements);
  for (size_t e = 0; e < elements; ++e)
    result[e] = mixed_bits(mix(static_cast<uint64_t>(stage), e) + 0x9e3779b97f4a7c15ULL) * 3;
  return result;
}

/// `weight` times the microbatch's fingerprint.
void add_fingerprint(sums& to, const words& where, int64_t step, int64_t microbatch, int weight) {
  const auto when =
      mix(static_cast<uint64_t>(step), static_cast<uint64_t>(microbatch)) + 0x9e3779b97f4a7c15ULL;
  for (size_t e = 0; e < where.size(); ++e)
    to[e] += weight * static_cast<int64_t>(mixed_bits(when + where[e]) >> (64 - fingerprint_bits));
}

words initial_weights(int32_t stage, size_t count) {
  words result(count);
  for (size_t e = 0; e < count; ++e)
    result[e] = mix(static_cast<uint64_t>(stage) + 1, e + 1);
  return result;
}

double squared_norm(const sums& reduced) {
  return static_cast<double>(mixed_bits(static_cast<uint64_t>(reduced[0])) & squared_norm_max);
}

void fold(words& weights, int64_t step, const sums& reduced, double scale) {
  uint64_t scale_bits = 0;
  std::memcpy(&scale_bits, &scale, sizeof(scale));
  const auto when = mix(static_cast<uint64_t>(step), scale_bits);
  const size_t rounds = std::max(weights.size(), reduced.size());
  for (size_t e = 0; e < rounds; ++e) {
    auto& word = weights[e % weights.size()];
    word = mix(word, mix(static_cast<uint64_t>(reduced[e % reduced.size()]), when));
  }
}

/// Of a few words: themselves. Of many: what they fold to.
std::string hex(const words& weights) {
  words shown = weights;
  if (shown.size() > fingerprint_elements) shown.resize(fingerprint_elements);
  for (size_t e = shown.size(); e < weights.size(); ++e)
    shown[e % shown.size()] = mix(shown[e % shown.size()], weights[e]);
  std::string text;
  char word[17];
  for (const uint64_t w : shown) {
    std::snprintf(word, sizeof(word), "%016llx", static_cast<unsigned long long>(w));
    text += word;
  }
  return text;
}

words checksum(const words& weights, uint64_t version) {
  words result(weights.size());
  for (size_t e = 0; e < weights.size(); ++e)
    result[e] = mix(weights[e], (e == 0 ? version : 0) + e);
  return result;
}

/// The state travels as f32 [3, n]: weights; version; checksum. Bits, not numbers.
host_tensor export_weights(const words& weights, int64_t version) {
  const size_t row_bytes = weights.size() * sizeof(uint64_t);
  void* bytes = nullptr;
  auto result = host_tensor::allocate(tensors::dtype::f32,
                                      {3, static_cast<int64_t>(row_bytes / sizeof(float))}, &bytes);
  auto* rows = static_cast<uint64_t*>(bytes);
  std::memcpy(rows, weights.data(), row_bytes);
  rows[weights.size()] = static_cast<uint64_t>(version);
  std::memcpy(rows + 2 * weights.size(), checksum(weights, static_cast<uint64_t>(version)).data(),
              row_bytes);
  return result;
}

struct modelled_activation final : tensors::activation {
  modelled_activation(size_t size, int64_t of_version) : size_bytes(size), version(of_version) {}
  size_t bytes() const override { return size_bytes; }

  size_t size_bytes;
  int64_t version;
};

class modelled_engine final : public tensors::stage_engine {
 public:
  explicit modelled_engine(const modelled_options& options)
      : options_(options),
        places_(places(options.stage, options.gradient_elements)),
        weights_(initial_weights(options.stage, options.weight_words)),
        reduced_(options.gradient_elements, 0) {
    config_.span = {options.stage, options.stage + 1, options.stage == 0,
                    options.stage == options.stages - 1};
    config_.mode = tensors::numeric_mode::reproducible;
    config_.microbatches_per_step = options.microbatches;
    clear_gradient();
  }

  const tensors::engine_config& config() const override { return config_; }

  tensors::forward_result forward(tensors::microbatch_key, const host_tensor& input,
                                  bool keep) override {
    check_input(input);
    tensors::forward_result result;
    result.output = hidden();
    if (keep) result.saved = std::make_shared<modelled_activation>(options_.saved_bytes, version_);
    return result;
  }

  host_tensor backward(tensors::microbatch_key key, const tensors::activation& saved,
                       const host_tensor& output_gradient, int weight) override {
    check(output_gradient, hidden(), "the output gradient");
    if (dynamic_cast<const modelled_activation&>(saved).version != version_)
      throw engine_error(engine_fault::bad_state, "the graph is older than the weights");
    return accumulate(key, weight);
  }

  tensors::loss_result loss(tensors::microbatch_key key, const host_tensor& input,
                            const host_tensor& targets, int weight) override {
    check_input(input);
    check(targets, tokens(), "the targets");
    return {loss_at(key), accumulate(key, weight)};
  }

  double evaluate(const host_tensor& input, const host_tensor& targets) override {
    check_input(input);
    check(targets, tokens(), "the targets");
    return loss_at({version_, 0});
  }

  host_tensor logits(const host_tensor& input) override {
    check_input(input);
    std::vector<float> scores(static_cast<size_t>(options_.rows * vocabulary));
    for (size_t i = 0; i < scores.size(); ++i)
      scores[i] = static_cast<float>(mix(weights_[0], i) >> 44);
    return host_tensor::adopt(std::move(scores), {options_.rows, vocabulary});
  }

  host_tensor infer(const host_tensor& input) override { return forward({}, input, false).output; }

  host_tensor gradient_sum() const override {
    return {tensors::dtype::i64,
            {static_cast<int64_t>(options_.gradient_elements)},
            gradient_,
            gradient_->data()};
  }

  void clear_gradient() override {
    gradient_ = std::make_shared<sums>(options_.gradient_elements, 0);
  }

  void select_sum(uint32_t which) override {
    if (which == selected_) return;
    other_sums_[selected_] = std::exchange(gradient_, other_sums_[which]);
    if (!gradient_) clear_gradient();
    selected_ = which;
  }

  void forget_sum(uint32_t which) override { other_sums_.erase(which); }

  double set_reduced(const host_tensor& reduced) override {
    if (reduced.is_virtual() || reduced.type() != tensors::dtype::i64 ||
        reduced.elements() != static_cast<int64_t>(options_.gradient_elements))
      throw engine_error(engine_fault::wrong_shape, "the reduced gradient");
    std::memcpy(reduced_.data(), reduced.data(), reduced.bytes());
    return squared_norm(reduced_);
  }

  void apply(int64_t step, double scale) override {
    fold(weights_, step, reduced_, scale);
    ++version_;
    clear_gradient();
  }

  host_tensor export_state() const override { return export_weights(weights_, version_); }

  void import_state(const host_tensor& state) override {
    if (state.is_virtual() || state.bytes() != options_.real_state_bytes())
      throw engine_error(engine_fault::bad_state, "the state has another size");
    const size_t count = options_.weight_words;
    words rows(3 * count);
    std::memcpy(rows.data(), state.data(), state.bytes());
    const auto version = static_cast<int64_t>(rows[count]);
    rows.resize(count);
    if (std::memcmp(state.data(), export_weights(rows, version).data(), state.bytes()) != 0)
      throw engine_error(engine_fault::bad_state, "the state is damaged");
    weights_ = std::move(rows);
    version_ = version;
  }

  std::string weights_hash() const override { return hex(weights_); }

 private:
  host_tensor tokens() const {
    return host_tensor::modelled(tensors::dtype::i32, {options_.rows, options_.context});
  }

  host_tensor hidden() const {
    return host_tensor::modelled(tensors::dtype::f32,
                                 {options_.rows, options_.context, options_.width});
  }

  static void check(const host_tensor& given, const host_tensor& wanted, const char* what) {
    if (given.type() != wanted.type() || given.shape() != wanted.shape())
      throw engine_error(engine_fault::wrong_shape, what);
  }

  void check_input(const host_tensor& input) const {
    check(input, options_.stage == 0 ? tokens() : hidden(), "the input");
  }

  static double loss_at(tensors::microbatch_key key) {
    return 4.0 / static_cast<double>(1 + key.step) +
           static_cast<double>(mixed_bits(static_cast<uint64_t>(key.index)) >> 56) / 1024;
  }

  host_tensor accumulate(tensors::microbatch_key key, int weight) {
    if (weight != 0) {
      // Somebody may still be reading the last sum.
      if (gradient_.use_count() > 1) gradient_ = std::make_shared<sums>(*gradient_);
      add_fingerprint(*gradient_, places_, key.step, key.index, weight);
    }
    return options_.stage == 0 ? host_tensor{} : hidden();
  }

  modelled_options options_;
  tensors::engine_config config_;
  words places_;
  words weights_;
  int64_t version_ = 0;
  std::shared_ptr<sums> gradient_;  ///< the selected one
  std::map<uint32_t, std::shared_ptr<sums>> other_sums_;
  uint32_t selected_ = tensors::own_sum;
  sums reduced_;
};

}  // namespace

std::unique_ptr<tensors::stage_engine> make_modelled_engine(const modelled_options& options) {
  return std::make_unique<modelled_engine>(options);
}

std::pair<host_tensor, host_tensor> modelled_microbatch(const modelled_options& options) {
  const auto tokens = host_tensor::modelled(tensors::dtype::i32, {options.rows, options.context});
  return {tokens, tokens};
}

modelled_reference::modelled_reference(int32_t stages, int64_t microbatches,
                                       tensors::optimizer_config optimizer,
                                       size_t gradient_elements, size_t weight_words)
    : microbatches_(microbatches), optimizer_(optimizer), gradient_elements_(gradient_elements) {
  for (int32_t s = 0; s < stages; ++s)
    weights_.push_back(initial_weights(s, weight_words));
}

void modelled_reference::advance(const std::set<int64_t>& dropped) {
  std::vector<sums> reduced(weights_.size(), sums(gradient_elements_, 0));
  double norm_squared = 0;
  for (size_t s = 0; s < weights_.size(); ++s) {
    const auto where = places(static_cast<int32_t>(s), gradient_elements_);
    for (int64_t m = 0; m < microbatches_; ++m)
      if (dropped.count(m) == 0) add_fingerprint(reduced[s], where, version_, m, 1);
    norm_squared += squared_norm(reduced[s]);
  }
  const auto all = static_cast<double>(microbatches_);
  const auto kept = all - static_cast<double>(dropped.size());
  // The mean is over the microbatches that count.
  const double mean = kept > 0 ? all / kept : 0;
  const double scale = mean * tensors::clip_factor(optimizer_, norm_squared * mean * mean);
  for (size_t s = 0; s < weights_.size(); ++s)
    fold(weights_[s], version_, reduced[s], scale);
  ++version_;
}

std::string modelled_reference::weights_hash(int32_t stage) const {
  return hex(weights_[static_cast<size_t>(stage)]);
}

host_tensor modelled_reference::state(int32_t stage) const {
  return export_weights(weights_[static_cast<size_t>(stage)], version_);
}

}  // namespace swarm::simulation
