#include "tools/run/training_setup.hpp"

#include <sched.h>

#include <cmath>

#include "tensors/engine/flat.hpp"
#include "tensors/engine/thread_layout.hpp"

namespace swarm::tools {

using tensors::host_tensor;

unsigned usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return static_cast<unsigned>(CPU_COUNT(&set));
}

training_setup::training_setup(const run_options& options, tensors::corpus data)
    : options_(options),
      data_(std::move(data)),
      spans_(tensors::partition(options.model,
                                options.scope == run_scope::single ? 1 : options.stages)) {}

tensors::engine_config training_setup::whole() const {
  tensors::engine_config config;
  config.model = options_.model;
  config.span = {0, options_.model.layers, true, true};
  config.optimizer = options_.optimizer;
  config.mode =
      options_.reproducible ? tensors::numeric_mode::reproducible : tensors::numeric_mode::floating;
  config.seed = static_cast<uint64_t>(options_.seed);
  config.microbatches_per_step = options_.microbatches;
  return config;
}

tensors::engine_config training_setup::stage(int64_t index) const {
  auto config = whole();
  config.span = spans_.at(static_cast<size_t>(index));
  return config;
}

std::pair<host_tensor, host_tensor> training_setup::microbatch(int64_t step, int64_t index) const {
  auto drawn = tensors::microbatch(data_, static_cast<uint64_t>(options_.seed), step, index,
                                   options_.rows, options_.model.context);
  return {std::move(drawn.inputs), std::move(drawn.targets)};
}

std::pair<host_tensor, host_tensor> training_setup::validation(int64_t index) const {
  auto drawn = tensors::validation_batch(data_, index, options_.rows, options_.model.context);
  return {std::move(drawn.inputs), std::move(drawn.targets)};
}

peer::embedded_options training_setup::swarm() const {
  peer::embedded_options result;
  result.stages = static_cast<int32_t>(options_.stages);
  result.workers_per_stage = static_cast<int32_t>(options_.workers);
  // The closures may outlive this object.
  const auto setup = std::make_shared<const training_setup>(*this);
  result.make_engine = [setup](stage_id stage) {
    auto config = setup->stage(stage.value());
    tensors::configure_thread(1, config.mode);
    return tensors::make_torch_engine(config);
  };
  result.microbatches = [setup](int64_t step, int64_t index) {
    return setup->microbatch(step, index);
  };
  result.validation = [setup](int64_t, int64_t index) { return setup->validation(index); };
  result.microbatches_per_step = options_.microbatches;
  result.tokens_per_microbatch = options_.rows * options_.model.context;
  result.context = options_.model.context;
  result.in_flight = static_cast<uint32_t>(options_.in_flight);
  result.optimizer = options_.optimizer;
  result.uniform_loss = uniform_loss();
  result.devices = usable_cores();
  return result;
}

tensors::reference_trainer training_setup::reference(int threads) const {
  const auto setup = std::make_shared<const training_setup>(*this);
  return {whole(), [setup](int64_t step, int64_t index) { return setup->microbatch(step, index); },
          threads};
}

double training_setup::evaluate(tensors::reference_trainer& trainer) const {
  double sum = 0;
  for (int64_t i = 0; i < options_.eval_batches; ++i) {
    const auto [inputs, targets] = validation(i);
    sum += trainer.evaluate(inputs, targets);
  }
  return sum / static_cast<double>(options_.eval_batches);
}

host_tensor training_setup::combine(const std::vector<host_tensor>& stages) const {
  return tensors::combine_flat(options_.model, spans_, stages);
}

double training_setup::uniform_loss() const {
  return std::log(static_cast<double>(options_.model.vocabulary));
}

int64_t training_setup::tokens_per_step() const {
  return options_.microbatches * options_.rows * options_.model.context;
}

}  // namespace swarm::tools
