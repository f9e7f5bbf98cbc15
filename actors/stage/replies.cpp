#include "actors/stage/replies.hpp"

namespace swarm::stage {

namespace {

void write(attempt_id from, schemas::Attempt::Builder to) {
  to.setTerm(from.term.value());
  to.setRound(from.round.value());
}

}  // namespace

wire::holding holding_of(worker_id who, step_id step, round_id round, const microbatch_set& held) {
  wire::builder<schemas::Holding> message;
  wire::to_wire(who, message->initWorker());
  message->setStep(step.value());
  message->setRound(round.value());
  message->setHeld(capnp::Data::Reader(held.bytes().data(), held.bytes().size()));
  return message.finish();
}

wire::reduced reduced_of(worker_id who, const wire::epoch& when, const reduced_sum& sum) {
  wire::builder<schemas::Reduced> message;
  wire::to_wire(who, message->initWorker());
  message->setStep(when.step.value());
  message->setRound(when.round.value());
  message->setHash(sum.hash);
  message->setSquaredNorm(sum.squared_norm);
  return message.finish();
}

wire::standing standing_of(worker_id who, stage_id stage, const step_guard& guard) {
  wire::builder<schemas::Standing> message;
  wire::to_wire(who, message->initWorker());
  message->setStage(static_cast<uint32_t>(stage.value()));
  message->setVersion(guard.version().value());
  write(guard.sum().attempt, message->initReduced());
  message->setHash(guard.sum().hash);
  message->setSquaredNorm(guard.sum().squared_norm);
  message->setCounted(guard.sum().counted);
  write(guard.committed().attempt, message->initCommitted());
  message->setScale(guard.committed().scale);
  message->setCommittedCounted(guard.committed().counted);
  return message.finish();
}

wire::committed committed_of(worker_id who, step_id version, const std::string& weights_hash,
                             std::optional<step_id> kept) {
  wire::builder<schemas::Committed> message;
  wire::to_wire(who, message->initWorker());
  message->setVersion(version.value());
  message->setWeightsHash(weights_hash);
  if (kept) message->setKept(kept->value());
  return message.finish();
}

bool contributes(worker_id who, const wire::reduce& order) {
  // The list is read by what read() returns, which must outlive the loop.
  const auto body = order.read();
  for (const auto& member : body->getMembers())
    if (wire::from_wire(member.getWorker()) == who) return member.getContributes();
  return true;
}

wire::state_chunk chunk_of(step_id version, const snapshot_store::chunk& chunk) {
  wire::builder<schemas::StateChunk> message;
  message->setVersion(version.value());
  message->setTotalBytes(chunk.state.bytes());
  message->setOffsetBytes(chunk.offset_bytes);
  message->setChecksum(chunk.checksum);
  write(chunk.commit.attempt, message->initCommitted());
  message->setScale(chunk.commit.scale);
  message->setCounted(chunk.commit.counted);
  message->setBytes(capnp::Data::Reader(chunk.state.as<kj::byte>() + chunk.offset_bytes,
                                        static_cast<size_t>(chunk.size_bytes)));
  return message.finish();
}

last_commit commit_in(schemas::StateChunk::Reader chunk) {
  const auto made_by = chunk.getCommitted();
  return {{term_id{made_by.getTerm()}, round_id{made_by.getRound()}},
          chunk.getScale(),
          chunk.getCounted()};
}

wire::state_request request_of(stage_id stage, int64_t version, uint64_t offset_bytes,
                               int64_t newer_than) {
  wire::builder<schemas::StateRequest> message;
  message->setStage(static_cast<uint32_t>(stage.value()));
  message->setVersion(version);
  message->setOffsetBytes(offset_bytes);
  message->setNewerThan(newer_than);
  return message.finish();
}

}  // namespace swarm::stage
