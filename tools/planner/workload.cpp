#include "tools/planner/workload.hpp"

namespace swarm::planner {

namespace {

constexpr double float_bytes = 4;
constexpr double fixed_point_bytes = 8;

double sum_bytes(const workload& work) {
  return work.reproducible ? fixed_point_bytes : float_bytes;
}

/// As tensors/model's stage_module::saved_bytes counts them, and the logits of a last stage.
double saved_bytes(const workload& work, const tensors::stage_span& span) {
  const auto& model = work.model;
  const auto blocks = static_cast<double>(span.end_block - span.first_block);
  const double per_block = 16.0 * static_cast<double>(model.width) +
                           static_cast<double>(model.heads) * static_cast<double>(model.context);
  const double ends = 2.0 * static_cast<double>(model.width) +
                      (span.last ? 2.0 * static_cast<double>(model.vocabulary) : 0.0);
  return work.tokens_per_microbatch() * (blocks * per_block + ends) * float_bytes;
}

}  // namespace

stage_load passage_of(const workload& work, const tensors::stage_span& span) {
  const auto& model = work.model;
  const double tokens = work.tokens_per_microbatch();
  const double boundary = tokens * static_cast<double>(model.width) * work.value_bytes;
  const auto blocks = static_cast<double>(span.end_block - span.first_block);
  stage_load load;
  load.span = span;
  load.forward_flop = tokens * (blocks * tensors::block_flop(model) +
                                (span.last ? tensors::head_flop(model) : 0.0));
  load.backward_flop = 2 * load.forward_flop;
  load.forward_in_bytes =
      (span.first ? tokens * token_bytes : boundary) + (span.last ? tokens * token_bytes : 0.0);
  load.forward_out_bytes = span.last ? 0.0 : boundary;
  load.backward_in_bytes = span.last ? 0.0 : boundary;
  load.backward_out_bytes = span.first ? 0.0 : boundary;
  return load;
}

stage_load load_of(const workload& work, const tensors::stage_span& span) {
  auto load = passage_of(work, span);
  load.parameters =
      static_cast<double>(tensors::flat_size(tensors::parameter_layout(work.model, span)));
  load.gradient_bytes = load.parameters * sum_bytes(work);
  load.state_bytes = 3 * load.parameters * float_bytes;
  load.saved_bytes = saved_bytes(work, span);
  return load;
}

std::vector<stage_load> loads_of(const workload& work, int64_t stages) {
  std::vector<stage_load> loads;
  for (const auto& span : tensors::partition(work.model, stages))
    loads.push_back(load_of(work, span));
  return loads;
}

stage_memory memory_of(const workload& work, const stage_load& load, double held) {
  stage_memory need;
  need.weights = load.parameters * float_bytes;
  need.moments = 2 * load.parameters * float_bytes;
  // The sum, what comes back from the all-reduce as f32 (an alias of it in float mode), and the
  // gradients of the microbatch at hand.
  need.gradients = load.parameters *
                   (2 * sum_bytes(work) + float_bytes + (work.reproducible ? float_bytes : 0.0));
  need.activations = held * load.saved_bytes;
  return need;
}

}  // namespace swarm::planner
