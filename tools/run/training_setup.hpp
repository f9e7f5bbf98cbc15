#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "actors/peer/embedded_swarm.hpp"
#include "tensors/data/corpus.hpp"
#include "tensors/engine/reference_trainer.hpp"
#include "tensors/engine/stage_engine.hpp"
#include "tools/options/run_options.hpp"

namespace swarm::tools {

/// What the options and the corpus make of a training run; the same for the swarm and for the
/// single process, so that they can be compared.
class training_setup {
 public:
  training_setup(const run_options& options, tensors::corpus data);

  /// The whole model in one engine.
  tensors::engine_config whole() const;
  tensors::engine_config stage(int64_t index) const;
  const std::vector<tensors::stage_span>& spans() const { return spans_; }

  std::pair<tensors::host_tensor, tensors::host_tensor> microbatch(int64_t step,
                                                                   int64_t index) const;
  std::pair<tensors::host_tensor, tensors::host_tensor> validation(int64_t index) const;

  /// An embedded swarm of options.stages x options.workers; `devices` is filled in with the
  /// machine's cores.
  peer::embedded_options swarm() const;

  /// The single process, on `threads` intra-op threads, or on one in reproducible mode.
  tensors::reference_trainer reference(int threads) const;

  /// Mean validation loss of the single process over options.eval_batches.
  double evaluate(tensors::reference_trainer& trainer) const;

  /// The stages' flat parameters as the whole model's.
  tensors::host_tensor combine(const std::vector<tensors::host_tensor>& stages) const;

  /// Nats that a guess costs that knows nothing but the vocabulary.
  double uniform_loss() const;

  int64_t tokens_per_step() const;
  const run_options& options() const { return options_; }

 private:
  run_options options_;
  tensors::corpus data_;
  std::vector<tensors::stage_span> spans_;
};

/// Cores this process may use.
unsigned usable_cores();

}  // namespace swarm::tools
