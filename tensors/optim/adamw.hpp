#pragma once

#include <cstdint>
#include <vector>

#include "tensors/model/model_config.hpp"
#include "tensors/optim/optimizer_config.hpp"

namespace swarm::tensors {

/// One AdamW step over a stage's flat vectors, in place. `step` counts from 0 and sets both the
/// learning rate and the bias correction; the gradient enters times `scale`. Only slots that decay
/// are decayed. Same order of operations as torch::optim::AdamW of LibTorch 1.13. The gaps between
/// slots are neither read nor written.
void adamw_step(const optimizer_config& config, const std::vector<parameter_slot>& layout,
                int64_t step, double scale, float* parameters, const float* gradient, float* first,
                float* second);

/// What the slots have in common with these elements, in their order, without names: a step over
/// them makes of each element what a step over the whole layout does.
std::vector<parameter_slot> clipped(const std::vector<parameter_slot>& layout, int64_t first,
                                    int64_t count);

/// How `squared_norm` adds its slots up. With `grid` each slot's sum is first rounded to a multiple
/// of 2^-40: sums below `norm_grid_limit` are then exact, hence the same for every partition.
enum class norm_rounding : uint8_t { none, grid };

inline constexpr double norm_grid_limit = 8192.0;

/// Sum of squares over the slots, in double, in an order that depends on the slots alone.
double squared_norm(const std::vector<parameter_slot>& layout, const float* gradient,
                    norm_rounding rounding = norm_rounding::none);

}  // namespace swarm::tensors
