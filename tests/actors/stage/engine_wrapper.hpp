#pragma once

#include <memory>
#include <string>
#include <utility>

#include "tensors/engine/stage_engine.hpp"

namespace swarm::testing {

/// Does what the engine within does; a test overrides what it wants to see or spoil.
class engine_wrapper : public tensors::stage_engine {
 public:
  explicit engine_wrapper(std::unique_ptr<tensors::stage_engine> real) : real_(std::move(real)) {}

  const tensors::engine_config& config() const override { return real_->config(); }
  tensors::forward_result forward(tensors::microbatch_key k, const tensors::host_tensor& x,
                                  bool keep) override {
    return real_->forward(k, x, keep);
  }
  tensors::host_tensor backward(tensors::microbatch_key k, const tensors::activation& saved,
                                const tensors::host_tensor& gradient, int weight) override {
    return real_->backward(k, saved, gradient, weight);
  }
  tensors::loss_result loss(tensors::microbatch_key k, const tensors::host_tensor& x,
                            const tensors::host_tensor& targets, int weight) override {
    return real_->loss(k, x, targets, weight);
  }
  double evaluate(const tensors::host_tensor& x, const tensors::host_tensor& t) override {
    return real_->evaluate(x, t);
  }
  tensors::host_tensor logits(const tensors::host_tensor& x) override { return real_->logits(x); }
  tensors::host_tensor infer(const tensors::host_tensor& x) override { return real_->infer(x); }
  tensors::host_tensor gradient_sum() const override { return real_->gradient_sum(); }
  void clear_gradient() override { real_->clear_gradient(); }
  void select_sum(uint32_t which) override { real_->select_sum(which); }
  void forget_sum(uint32_t which) override { real_->forget_sum(which); }
  double set_reduced(const tensors::host_tensor& x) override { return real_->set_reduced(x); }
  void apply(int64_t step, double scale) override { real_->apply(step, scale); }
  tensors::host_tensor export_state() const override { return real_->export_state(); }
  void import_state(const tensors::host_tensor& x) override { real_->import_state(x); }
  int64_t elements() const override { return real_->elements(); }
  tensors::host_tensor export_range(tensors::element_range range) const override {
    return real_->export_range(range);
  }
  void import_range(tensors::element_range range, const tensors::host_tensor& x) override {
    real_->import_range(range, x);
  }
  void apply_ranges(int64_t step, double scale,
                    const std::vector<tensors::element_range>& ranges) override {
    real_->apply_ranges(step, scale, ranges);
  }
  std::string weights_hash() const override { return real_->weights_hash(); }

 private:
  std::unique_ptr<tensors::stage_engine> real_;
};

/// Counts optimizer steps.
class counting_engine final : public engine_wrapper {
 public:
  counting_engine(std::unique_ptr<tensors::stage_engine> real, std::shared_ptr<int> applied)
      : engine_wrapper(std::move(real)), applied_(std::move(applied)) {}

  void apply(int64_t step, double scale) override {
    ++*applied_;
    engine_wrapper::apply(step, scale);
  }

 private:
  std::shared_ptr<int> applied_;
};

/// Counts states that come as a whole, and in ranges.
class counting_imports final : public engine_wrapper {
 public:
  counting_imports(std::unique_ptr<tensors::stage_engine> real, int& imports, int& ranges)
      : engine_wrapper(std::move(real)), imports_(imports), ranges_(ranges) {}

  void import_state(const tensors::host_tensor& state) override {
    ++imports_;
    engine_wrapper::import_state(state);
  }
  void import_range(tensors::element_range range, const tensors::host_tensor& state) override {
    ++ranges_;
    engine_wrapper::import_range(range, state);
  }

 private:
  int& imports_;
  int& ranges_;
};

}  // namespace swarm::testing
