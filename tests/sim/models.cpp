#include "tests/sim/models.hpp"

#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tensors/engine/stage_engine.hpp"
#include "tests/actors/toy_engine.hpp"

namespace swarm::campaign {

namespace {

using simulation::run_model;
using simulation::run_size;
using tensors::host_tensor;

using engine_ptr = std::unique_ptr<tensors::stage_engine>;

/// Trains the model with one engine per stage, one microbatch after the other.
class one_process {
 public:
  one_process(run_model model, const run_size& size)
      : model_(std::move(model)), microbatches_(size.microbatches) {
    for (int32_t s = 0; s < size.stages; ++s)
      engines_.push_back(model_.make_engine(stage_id{s}));
    remember();
  }

  const std::string& hash(stage_id stage, step_id version) {
    while (hashes_.size() <= static_cast<size_t>(version.value()))
      advance();
    return hashes_[static_cast<size_t>(version.value())][static_cast<size_t>(stage.value())];
  }

 private:
  void advance() {
    const auto step = static_cast<int64_t>(hashes_.size()) - 1;
    for (int64_t m = 0; m < microbatches_; ++m)
      train({step, m});
    double squared_norm = 0;
    for (auto& engine : engines_)
      squared_norm += engine->set_reduced(engine->gradient_sum());
    const double scale = tensors::clip_factor(engines_.front()->config().optimizer, squared_norm);
    for (auto& engine : engines_)
      engine->apply(step, scale);
    remember();
  }

  void train(tensors::microbatch_key key) {
    auto [input, targets] = model_.source(key.step, key.index);
    std::vector<std::shared_ptr<tensors::activation>> saved;
    for (size_t s = 0; s + 1 < engines_.size(); ++s) {
      auto result = engines_[s]->forward(key, input, true);
      input = std::move(result.output);
      saved.push_back(std::move(result.saved));
    }
    auto gradient = engines_.back()->loss(key, input, targets, 1).input_gradient;
    for (size_t s = saved.size(); s-- > 0;)
      gradient = engines_[s]->backward(key, *saved[s], gradient, 1);
  }

  void remember() {
    hashes_.emplace_back();
    for (const auto& engine : engines_)
      hashes_.back().push_back(engine->weights_hash());
  }

  run_model model_;
  int64_t microbatches_;
  std::vector<engine_ptr> engines_;
  std::vector<std::vector<std::string>> hashes_;  ///< by version and stage
};

/// Adds what one process gets; the same process for all runs of this size.
run_model with_expected(run_model model, const run_size& size, const std::string& name) {
  using key = std::tuple<std::string, int32_t, int64_t>;
  static std::map<key, std::shared_ptr<one_process>> known;
  auto& reference = known[{name, size.stages, size.microbatches}];
  if (!reference) reference = std::make_shared<one_process>(model, size);
  model.expected = [reference](stage_id stage, step_id version) {
    return reference->hash(stage, version);
  };
  return model;
}

run_model make_linear(const run_size& size) {
  run_model model;
  model.make_engine = [size](stage_id stage) {
    return testing::make_toy_engine(stage.value() == 0, stage.value() + 1 == size.stages,
                                    size.microbatches);
  };
  model.source = &testing::toy_microbatch;
  return with_expected(std::move(model), size, "linear");
}

constexpr int64_t context = 8;
constexpr int64_t vocabulary = 16;

std::pair<host_tensor, host_tensor> short_text(int64_t step, int64_t index) {
  std::vector<int32_t> tokens(context);
  std::vector<int32_t> targets(context);
  const auto at = [&](int64_t i) {
    return static_cast<int32_t>(((step + 3 * index) * 5 + i * (1 + index % 3)) % vocabulary);
  };
  for (int64_t i = 0; i < context; ++i) {
    tokens[static_cast<size_t>(i)] = at(i);
    targets[static_cast<size_t>(i)] = at(i + 1);
  }
  return {host_tensor::adopt(std::move(tokens), {1, context}),
          host_tensor::adopt(std::move(targets), {1, context})};
}

run_model make_transformer(const run_size& size) {
  tensors::engine_config config;
  config.model = {size.stages, 2, 16, context, vocabulary, true, false, 0.1};
  config.optimizer.warmup_steps = 2;
  config.mode = tensors::numeric_mode::reproducible;
  config.seed = 7;
  config.microbatches_per_step = size.microbatches;
  const auto spans = tensors::partition(config.model, size.stages);
  run_model model;
  model.make_engine = [config, spans](stage_id stage) {
    auto own = config;
    own.span = spans[static_cast<size_t>(stage.value())];
    return tensors::make_torch_engine(own);
  };
  model.source = &short_text;
  model.chunk_bytes = 16 << 10;
  // Some dozens of parts, as a large gradient has for each of its owners.
  model.part_elements = 64;
  return with_expected(std::move(model), size, "transformer");
}

}  // namespace

const simulation::model_catalogue& models() {
  static const simulation::model_catalogue catalogue{{"modelled", &simulation::make_modelled},
                                                     {"linear", &make_linear},
                                                     {"transformer", &make_transformer}};
  return catalogue;
}

}  // namespace swarm::campaign
