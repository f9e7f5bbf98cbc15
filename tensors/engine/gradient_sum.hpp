#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tensors/codec/host_tensor.hpp"
#include "tensors/engine/stage_engine.hpp"
#include "tensors/model/model_config.hpp"

namespace swarm::tensors {

/// A stage's gradient sum: a flat vector of f32, or of 64-bit fixed-point numbers in reproducible
/// mode. Copied on write while somebody holds a view, so that every view stays constant.
class gradient_sum {
 public:
  gradient_sum(const std::vector<parameter_slot>& layout, numeric_mode mode,
               int64_t microbatches_per_step);

  /// Adds (+1) or takes away (-1) one microbatch's gradients, one per slot, contiguous. Throws
  /// engine_error(non_finite), and changes nothing, if a value is not finite or too large.
  void add(const std::vector<const float*>& gradients, int weight);

  void clear() { fresh_ = true; }

  /// f32 or i64 [flat_size].
  host_tensor view();

  /// What `reduced` (a view's type and shape) stands for, as f32 [flat_size]; aliases it in
  /// floating mode. Throws engine_error(wrong_shape | non_finite).
  host_tensor gradient_of(const host_tensor& reduced) const;

 private:
  template <class T>
  T* writable(std::shared_ptr<T[]>& sum, bool keep);

  const std::vector<parameter_slot> layout_;
  const int64_t elements_;
  const numeric_mode mode_;
  const float limit_;  ///< of one addend's magnitude
  bool fresh_ = true;  ///< the sum stands for zero, whatever the buffer holds
  std::shared_ptr<float[]> floating_;
  std::shared_ptr<int64_t[]> fixed_;
};

}  // namespace swarm::tensors
