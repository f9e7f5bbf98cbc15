#include "actors/peer/questions.hpp"

#include <caf/all.hpp>
#include <chrono>

#include "actors/stage/state_transfer.hpp"
#include "actors/supervision/supervisor.hpp"

namespace swarm::peer {

namespace {

/// A worker's request; longer than anything a healthy stage takes.
constexpr std::chrono::seconds ask_timeout{60};

}  // namespace

caf::expected<tensors::host_tensor> fetch_parameters(caf::scoped_actor& self,
                                                     const std::vector<wire::member>& members,
                                                     stage_id stage, int64_t version) {
  for (const auto& member : members) {
    if (member.role != wire::member_role::stage_worker || member.stage != stage ||
        member.state != wire::member_state::serving)
      continue;
    const auto donor = caf::actor_cast<wire::stage_worker_actor>(member.handle);
    stage::state_assembly assembly;
    auto progress = stage::state_assembly::progress::more;
    while (progress == stage::state_assembly::progress::more) {
      wire::builder<schemas::StateRequest> message;
      message->setStage(static_cast<uint32_t>(stage.value()));
      message->setVersion(version);
      message->setOffsetBytes(assembly.next_offset_bytes());
      progress = stage::state_assembly::progress::damaged;
      self->request(donor, ask_timeout, message.finish())
          .receive(
              [&](const wire::state_chunk& m) {
                if (m.fault()) return;
                const auto chunk = m.read();
                progress = assembly.accept(step_id{chunk->getVersion()}, chunk->getTotalBytes(),
                                           chunk->getOffsetBytes(), chunk->getChecksum(),
                                           chunk->getBytes().begin(), chunk->getBytes().size());
              },
              [](caf::error&) {});
    }
    if (progress != stage::state_assembly::progress::complete) continue;
    const auto state = assembly.take();
    // The first row is the parameters; the moments follow.
    return tensors::host_tensor{state.type(), {state.shape()[1]}, state.owner(), state.data()};
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
