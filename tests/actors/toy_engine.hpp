#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "tensors/engine/stage_engine.hpp"

namespace swarm::testing {

/// A stage with four weights and exact sums, so that actors can be tested without LibTorch: stage
/// output y = w0 * x + w1, loss = mean (y - target)^2 / 2. Everything is summed in fixed point, so
/// the weights after any schedule are those of `toy_reference`.
std::unique_ptr<tensors::stage_engine> make_toy_engine(bool first, bool last,
                                                       int64_t microbatches_per_step);

/// Microbatch (step, index): six small numbers and their targets.
std::pair<tensors::host_tensor, tensors::host_tensor> toy_microbatch(int64_t step, int64_t index);

/// The stages' weights after `steps` optimizer steps, without any actor.
std::vector<tensors::host_tensor> toy_reference(int64_t stages, int64_t microbatches,
                                                int64_t steps);

}  // namespace swarm::testing
