#include "actors/peer/questions.hpp"

#include <caf/all.hpp>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "actors/stage/replies.hpp"
#include "actors/stage/state_transfer.hpp"
#include "actors/supervision/supervisor.hpp"

namespace swarm::peer {

namespace {

/// A worker's request; longer than anything a healthy stage takes.
constexpr std::chrono::seconds ask_timeout{60};

constexpr uint64_t shard_elements = stage::shard_elements_max / 4;

/// One shard; without `only` at the weights that the donor has by now.
std::optional<wire::state_chunk> ask_shard(caf::scoped_actor& self,
                                           const wire::stage_worker_actor& donor, stage_id stage,
                                           uint64_t first, std::optional<weights_id> only) {
  stage::download::question q;
  q.range.first = first;
  q.shard_elements = shard_elements;
  q.only = only;
  std::optional<wire::state_chunk> result;
  self->request(donor, ask_timeout, stage::request_of(stage, q))
      .receive([&](const wire::state_chunk& m) { result = m; }, [](caf::error&) {});
  return result && !result->fault() && stage::answer_in(*result).sound ? result : std::nullopt;
}

/// The first row of a state, all of the same weights: the moments are left behind. Nothing when the
/// worker fails, or makes a step meanwhile.
std::optional<tensors::host_tensor> parameters_of(caf::scoped_actor& self,
                                                  const wire::stage_worker_actor& donor,
                                                  stage_id stage, int64_t version) {
  std::vector<float> parameters;
  std::optional<weights_id> only;
  if (version >= 0) only = weights_id{stage::any_history, step_id{version}};
  uint64_t total = 1;
  while (parameters.size() < total) {
    const auto first = parameters.size();
    const auto chunk = ask_shard(self, donor, stage, first, only);
    if (!chunk) return std::nullopt;
    const auto answer = stage::answer_in(*chunk);
    total = answer.total_elements;
    if (answer.range.first != first || answer.range.count == 0 ||
        answer.range.count > total - first || total > stage::state_bytes_max)
      return std::nullopt;
    only = answer.weights;
    const auto* values = stage::shard_in(*chunk).as<float>();
    parameters.insert(parameters.end(), values, values + answer.range.count);
  }
  const auto elements = static_cast<int64_t>(parameters.size());
  return tensors::host_tensor::adopt(std::move(parameters), {elements});
}

/// Of a run that goes on: a worker that makes a step is asked again so often.
constexpr int attempts_max = 3;

}  // namespace

caf::expected<tensors::host_tensor> fetch_parameters(caf::scoped_actor& self,
                                                     const std::vector<wire::member>& members,
                                                     stage_id stage, int64_t version) {
  for (const auto& member : members) {
    if (member.role != wire::member_role::stage_worker || member.stage != stage ||
        member.state != wire::member_state::serving)
      continue;
    const auto donor = caf::actor_cast<wire::stage_worker_actor>(member.handle);
    for (int i = 0; i < attempts_max; ++i)
      if (auto parameters = parameters_of(self, donor, stage, version)) return *parameters;
  }
  return training::make_error(training::errc::stage_unreachable);
}

training::evaluator_actor evaluator_of(caf::scoped_actor& self, const caf::actor& training_peer) {
  training::evaluator_actor found;
  self->request(training_peer, ask_timeout, supervision::children_atom::value)
      .receive(
          [&](const supervision::children_status& children) {
            for (const auto& child : children)
              if (child.id == "evaluator")
                found = caf::actor_cast<training::evaluator_actor>(child.handle);
          },
          [](caf::error&) {});
  return found;
}

}  // namespace swarm::peer
