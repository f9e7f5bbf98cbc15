#include "actors/simulation/observed_engine.hpp"

#include <utility>

namespace swarm::simulation {

namespace {

using tensors::host_tensor;
using tensors::microbatch_key;

class observed_engine final : public tensors::stage_engine {
 public:
  observed_engine(std::unique_ptr<tensors::stage_engine> engine, engine_observer observer)
      : engine_(std::move(engine)), observer_(std::move(observer)) {}

  const tensors::engine_config& config() const override { return engine_->config(); }

  tensors::forward_result forward(microbatch_key key, const host_tensor& input,
                                  bool keep) override {
    auto result = engine_->forward(key, input, keep);
    observer_({engine_event::what::forward, key, 0, 0, {}});
    return result;
  }

  host_tensor backward(microbatch_key key, const tensors::activation& saved,
                       const host_tensor& output_gradient, int weight) override {
    auto result = engine_->backward(key, saved, output_gradient, weight);
    observer_({engine_event::what::backward, key, own_weight(weight), 0, {}});
    return result;
  }

  tensors::loss_result loss(microbatch_key key, const host_tensor& input,
                            const host_tensor& targets, int weight) override {
    auto result = engine_->loss(key, input, targets, weight);
    observer_({engine_event::what::loss, key, own_weight(weight), 0, {}});
    return result;
  }

  double evaluate(const host_tensor& input, const host_tensor& targets) override {
    return engine_->evaluate(input, targets);
  }
  host_tensor logits(const host_tensor& input) override { return engine_->logits(input); }
  host_tensor infer(const host_tensor& input) override { return engine_->infer(input); }
  host_tensor gradient_sum() const override { return engine_->gradient_sum(); }
  void clear_gradient() override {
    engine_->clear_gradient();
    // A worker does so when the last range has come.
    if (std::exchange(by_ranges_, false)) tell_imported();
  }
  void select_sum(uint32_t which) override {
    engine_->select_sum(which);
    selected_ = which;
  }
  void forget_sum(uint32_t which) override { engine_->forget_sum(which); }
  double set_reduced(const host_tensor& reduced) override {
    const double squared_norm = engine_->set_reduced(reduced);
    observer_({engine_event::what::reduced, {}, 0, 0, {}});
    return squared_norm;
  }

  void apply(int64_t step, double scale) override {
    engine_->apply(step, scale);
    observer_({engine_event::what::applied, {}, 0, step, engine_->weights_hash()});
  }

  host_tensor export_state() const override { return engine_->export_state(); }

  void import_state(const host_tensor& state) override {
    engine_->import_state(state);
    by_ranges_ = false;
    tell_imported();
  }

  int64_t elements() const override { return engine_->elements(); }
  host_tensor export_range(tensors::element_range range) const override {
    return engine_->export_range(range);
  }
  void import_range(tensors::element_range range, const host_tensor& state) override {
    by_ranges_ = true;
    engine_->import_range(range, state);
  }
  void apply_ranges(int64_t step, double scale,
                    const std::vector<tensors::element_range>& ranges) override {
    by_ranges_ = true;
    engine_->apply_ranges(step, scale, ranges);
  }

  std::string weights_hash() const override { return engine_->weights_hash(); }

 private:
  void tell_imported() {
    observer_({engine_event::what::imported, {}, 0, 0, engine_->weights_hash()});
  }

  /// What is added to a share of another's microbatches does not change this worker's sum.
  int own_weight(int weight) const { return selected_ == tensors::own_sum ? weight : 0; }

  uint32_t selected_ = tensors::own_sum;
  std::unique_ptr<tensors::stage_engine> engine_;
  engine_observer observer_;
  bool by_ranges_ = false;  ///< a state is coming in ranges
};

}  // namespace

std::unique_ptr<tensors::stage_engine> observe(std::unique_ptr<tensors::stage_engine> engine,
                                               engine_observer observer) {
  return std::make_unique<observed_engine>(std::move(engine), std::move(observer));
}

}  // namespace swarm::simulation
