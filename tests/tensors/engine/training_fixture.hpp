#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "tensors/codec/host_tensor.hpp"
#include "tensors/engine/flat.hpp"
#include "tensors/engine/stage_engine.hpp"

namespace swarm::tensors::testing {

inline model_config tiny_model() {
  model_config model;
  model.layers = 3;
  model.heads = 2;
  model.width = 32;
  model.context = 16;
  model.vocabulary = 61;
  return model;
}

/// The test's text: token i of a row is a fixed function of the one before, so it can be learned.
inline std::pair<host_tensor, host_tensor> microbatch(const model_config& model, int64_t rows,
                                                      int64_t step, int64_t index) {
  std::vector<int32_t> inputs;
  std::vector<int32_t> targets;
  for (int64_t row = 0; row < rows; ++row) {
    int64_t token = (step * 31 + index * 17 + row * 7) % model.vocabulary;
    for (int64_t i = 0; i < model.context; ++i) {
      inputs.push_back(static_cast<int32_t>(token));
      token = (token * 5 + 3 + i % 2) % model.vocabulary;
      targets.push_back(static_cast<int32_t>(token));
    }
  }
  return {host_tensor::adopt(std::move(inputs), {rows, model.context}),
          host_tensor::adopt(std::move(targets), {rows, model.context})};
}

/// A model cut into stages, each with an engine, driven by hand.
struct pipeline {
  pipeline(engine_config config, int64_t stages) : spans(partition(config.model, stages)) {
    for (const auto& span : spans) {
      config.span = span;
      engines.push_back(make_torch_engine(config));
    }
  }

  /// Forward through all stages, backward through all; the loss.
  double run(microbatch_key key, const std::pair<host_tensor, host_tensor>& batch, int weight = 1) {
    std::vector<std::shared_ptr<activation>> kept;
    host_tensor hidden = batch.first;
    for (size_t s = 0; s + 1 < engines.size(); ++s) {
      auto result = engines[s]->forward(key, hidden, true);
      kept.push_back(result.saved);
      hidden = result.output;
    }
    const auto result = engines.back()->loss(key, hidden, batch.second, weight);
    host_tensor gradient = result.input_gradient;
    for (size_t s = engines.size() - 1; s-- > 0;) {
      gradient = engines[s]->backward(key, *kept[s], gradient, weight);
    }
    return result.loss;
  }

  std::vector<host_tensor> sums() const {
    std::vector<host_tensor> all;
    for (const auto& engine : engines)
      all.push_back(engine->gradient_sum());
    return all;
  }

  /// Applies `reduced`, one per stage; the squared norm over all stages.
  double apply(int64_t step, const std::vector<host_tensor>& reduced) {
    double norm = 0;
    for (size_t s = 0; s < engines.size(); ++s)
      norm += engines[s]->set_reduced(reduced[s]);
    const double scale = clip_factor(engines[0]->config().optimizer, norm);
    for (auto& engine : engines)
      engine->apply(step, scale);
    return norm;
  }

  /// The parameters of the whole model, f32.
  host_tensor parameters() const {
    std::vector<host_tensor> flats;
    for (const auto& engine : engines) {
      const auto state = engine->export_state();
      flats.push_back({dtype::f32, {state.shape()[1]}, state.owner(), state.data()});
    }
    return combine_flat(engines[0]->config().model, spans, flats);
  }

  std::vector<stage_span> spans;
  std::vector<std::unique_ptr<stage_engine>> engines;
};

inline bool same_bytes(const host_tensor& a, const host_tensor& b) {
  return a.type() == b.type() && a.shape() == b.shape() && weights_hash(a) == weights_hash(b);
}

}  // namespace swarm::tensors::testing
