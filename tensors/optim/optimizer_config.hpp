#pragma once

#include <cstdint>

namespace swarm::tensors {

/// AdamW (Loshchilov & Hutter 2019) with the decay on matrices only, a cosine schedule after a
/// linear warm-up, and clipping by the norm of the whole model's gradient.
struct optimizer_config {
  double learning_rate = 1e-3;
  double learning_rate_min = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double epsilon = 1e-8;
  double weight_decay = 0.1;
  double clip_norm = 1.0;  ///< 0 switches clipping off
  int64_t warmup_steps = 100;
  int64_t decay_steps = 2000;  ///< learning_rate_min from here on
};

/// Learning rate of optimizer step `step`, counted from 0 as nanoGPT does.
double learning_rate(const optimizer_config& config, int64_t step);

/// Factor on the whole model's gradient: min(1, clip_norm / (norm + 1e-6)), as
/// torch.nn.utils.clip_grad_norm_ does.
double clip_factor(const optimizer_config& config, double squared_norm);

}  // namespace swarm::tensors
