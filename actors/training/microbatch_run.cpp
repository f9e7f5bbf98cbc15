#include "actors/training/microbatch_run.hpp"

namespace swarm::training {

namespace {

bool saved_at(const std::vector<tensors::host_tensor>& tensors, int32_t stage) {
  return static_cast<size_t>(stage) < tensors.size() &&
         !tensors[static_cast<size_t>(stage)].empty();
}

/// Stage `stage` can be called alone.
bool ready(const saved_microbatch& saved, int32_t stage, int32_t stages) {
  if (!saved_at(saved.inputs, stage)) return false;
  return stage == stages - 1 || saved_at(saved.output_gradients, stage);
}

}  // namespace

size_t saved_microbatch::bytes() const {
  size_t total = 0;
  for (size_t s = 1; s < inputs.size(); ++s)
    total += inputs[s].bytes();
  for (const auto& gradient : output_gradients)
    total += gradient.bytes();
  return total;
}

bool saved_microbatch::has_input_gradient(stage_id stage) const {
  return stage.value() == 0 || saved_at(output_gradients, stage.value() - 1);
}

std::deque<stage_call> plan_calls(const lease_item& item, int32_t stages,
                                  const saved_microbatch& saved) {
  const auto wanted = [&](int32_t s) { return (item.stages >> s & 1) != 0; };
  const auto last = stages - 1;
  const auto call_at = [&](int32_t s) {
    stage_call call{s == last ? call_kind::loss : call_kind::backward, stage_id{s},
                    wanted(s) ? item.weight : 0, std::nullopt};
    if (wanted(s) && (item.weight < 0 || item.share)) call.only = item.target;
    return call;
  };
  std::deque<stage_call> calls;
  bool alone = true;
  for (int32_t s = 0; s < stages; ++s)
    alone = alone && (!wanted(s) || ready(saved, s, stages));
  if (alone) {
    for (int32_t s = last; s >= 0; --s)
      if (wanted(s)) calls.push_back(call_at(s));
    return calls;
  }
  int32_t lowest = last;
  for (int32_t s = last; s >= 0; --s)
    if (wanted(s)) lowest = s;
  // Forward from the deepest input that is saved.
  int32_t start = last;
  while (start > 0 && !saved_at(saved.inputs, start))
    --start;
  for (int32_t s = start; s < last; ++s)
    calls.push_back({call_kind::forward, stage_id{s}, 0, std::nullopt});
  for (int32_t s = last; s >= lowest; --s)
    calls.push_back(call_at(s));
  return calls;
}

}  // namespace swarm::training
