#include "tensors/engine/gradient_sum.hpp"

#include <atomic>
#include <cassert>
#include <cstring>

#include "tensors/engine/flat.hpp"
#include "tensors/optim/accumulate.hpp"

namespace swarm::tensors {

gradient_sum::gradient_sum(const std::vector<parameter_slot>& layout, numeric_mode mode,
                           int64_t microbatches_per_step)
    : layout_(layout),
      elements_(flat_size(layout)),
      mode_(mode),
      limit_(mode == numeric_mode::floating
                 ? finite_limit
                 : fixed_point_sum_limit / static_cast<float>(microbatches_per_step)) {
  if (mode_ == numeric_mode::floating) {
    floating_ = allocate_flat<float>(elements_);
  } else {
    fixed_ = allocate_flat<int64_t>(elements_);
  }
}

template <class T>
T* gradient_sum::writable(std::shared_ptr<T[]>& sum, bool keep) {
  if (sum.use_count() > 1) {
    auto copy = allocate_flat<T>(elements_);
    if (keep) std::memcpy(copy.get(), sum.get(), elements_ * sizeof(T));
    sum = std::move(copy);
  }
  // Whoever dropped the last view read it before; see the reads as done before writing.
  std::atomic_thread_fence(std::memory_order_acquire);
  return sum.get();
}

void gradient_sum::add(const std::vector<const float*>& gradients, int weight) {
  assert(gradients.size() == layout_.size());
  assert(weight == 1 || weight == -1);
  for (size_t i = 0; i < layout_.size(); ++i) {
    if (!within(gradients[i], layout_[i].size, limit_)) {
      throw engine_error(engine_fault::non_finite, "The gradient of " + layout_[i].name +
                                                       " is not finite or too large; the "
                                                       "microbatch was left out.");
    }
  }
  if (mode_ == numeric_mode::floating) {
    float* sum = writable(floating_, !fresh_);
    const auto sign = static_cast<float>(weight);
    for (size_t i = 0; i < layout_.size(); ++i) {
      const auto& slot = layout_[i];
      (fresh_ ? assign : accumulate)(sum + slot.offset, gradients[i], slot.size, sign);
    }
  } else {
    int64_t* sum = writable(fixed_, !fresh_);
    if (fresh_) std::memset(sum, 0, elements_ * sizeof(int64_t));
    for (size_t i = 0; i < layout_.size(); ++i) {
      accumulate_fixed(sum + layout_[i].offset, gradients[i], layout_[i].size, weight);
    }
  }
  fresh_ = false;
}

host_tensor gradient_sum::view() {
  const bool floating = mode_ == numeric_mode::floating;
  if (fresh_) {
    if (floating) {
      std::memset(writable(floating_, false), 0, elements_ * sizeof(float));
    } else {
      std::memset(writable(fixed_, false), 0, elements_ * sizeof(int64_t));
    }
    // Stays fresh: the next addition still assigns, and finds the view if somebody holds it.
  }
  return floating ? view_of(floating_, elements_) : view_of(fixed_, elements_);
}

host_tensor gradient_sum::gradient_of(const host_tensor& reduced) const {
  const dtype type = mode_ == numeric_mode::floating ? dtype::f32 : dtype::i64;
  if (reduced.type() != type || reduced.shape() != std::vector<int64_t>{elements_} ||
      reduced.is_virtual()) {
    throw engine_error(engine_fault::wrong_shape,
                       "The reduced gradient must be " + to_string(type) + " [" +
                           std::to_string(elements_) + "], the stage's own size.");
  }
  if (mode_ == numeric_mode::reproducible) {
    auto gradient = allocate_flat<float>(elements_);
    to_float(gradient.get(), reduced.as<int64_t>(), elements_);
    return view_of(gradient, elements_);
  }
  if (!within(reduced.as<float>(), elements_, finite_limit)) {
    throw engine_error(engine_fault::non_finite, "The reduced gradient is not finite.");
  }
  return reduced;
}

}  // namespace swarm::tensors
