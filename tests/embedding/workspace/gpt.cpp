// A language model in two stages with two workers each, all inside this program. One worker is
// killed on the way; another takes its work, and it comes back.

#include <caf/all.hpp>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "actors/peer/embedded_swarm.hpp"

namespace {

using swarm::tensors::host_tensor;

const std::string text = "how much wood would a woodchuck chuck if a woodchuck could chuck wood ";
constexpr int64_t context = 32;
constexpr int64_t microbatches_per_step = 4;

/// A pure function: whoever asks for microbatch (step, index) gets the same bytes.
std::pair<host_tensor, host_tensor> microbatch(int64_t step, int64_t index) {
  const int64_t first = (step * microbatches_per_step + index) * context;
  std::vector<int32_t> input;
  std::vector<int32_t> targets;
  for (int64_t i = first; i < first + context; ++i) {
    input.push_back(static_cast<unsigned char>(text[static_cast<size_t>(i) % text.size()]));
    targets.push_back(static_cast<unsigned char>(text[static_cast<size_t>(i + 1) % text.size()]));
  }
  return {host_tensor::adopt(std::move(input), {1, context}),
          host_tensor::adopt(std::move(targets), {1, context})};
}

}  // namespace

int main() {
  swarm::tensors::model_config model;
  model.layers = 2;
  model.heads = 2;
  model.width = 32;
  model.context = context;
  model.vocabulary = 256;

  swarm::peer::embedded_options options;
  options.stages = 2;
  options.workers_per_stage = 2;
  options.optimizer.learning_rate = 1e-2;
  options.optimizer.warmup_steps = 5;
  options.microbatches_per_step = microbatches_per_step;
  options.tokens_per_microbatch = context;
  options.context = context;
  options.microbatches = microbatch;
  options.validation = microbatch;
  const auto spans = swarm::tensors::partition(model, options.stages);
  options.make_engine = [&](swarm::stage_id stage) {
    swarm::tensors::engine_config config;
    config.model = model;
    config.span = spans[static_cast<size_t>(stage.value())];
    config.optimizer = options.optimizer;
    config.seed = 1;
    config.microbatches_per_step = microbatches_per_step;
    return swarm::tensors::make_torch_engine(config);
  };

  caf::actor_system_config config;
  swarm::peer::add_message_types(config);
  caf::actor_system system{config};
  swarm::peer::embedded_swarm swarm{system, options};

  auto reached = swarm.advance(20);
  swarm.kill_worker(swarm::stage_id{1});
  if (reached) reached = swarm.advance(60);
  const auto loss = swarm.evaluate(5);
  if (!reached || !loss) {
    const auto& error = reached ? loss.error() : reached.error();
    std::fprintf(stderr, "the swarm has failed: %s\n", system.render(error).c_str());
    return 1;
  }
  std::printf("%lld steps, loss %.3f\n", static_cast<long long>(*reached), *loss);
  return *loss < 2.5 ? 0 : 1;
}
