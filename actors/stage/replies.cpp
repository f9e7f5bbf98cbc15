#include "actors/stage/replies.hpp"

#include <algorithm>

namespace swarm::stage {

namespace {

void write(attempt_id from, const std::string& hash, schemas::Attempt::Builder to) {
  to.setTerm(from.term.value());
  to.setRound(from.round.value());
  to.setHash(hash);
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

wire::reduced reduced_of(worker_id who, const wire::step_round& when, const reduced_sum& sum) {
  wire::builder<schemas::Reduced> message;
  wire::to_wire(who, message->initWorker());
  message->setStep(when.step.value());
  message->setRound(when.round.value());
  message->setHash(sum.hash);
  message->setSquaredNorm(sum.squared_norm);
  return message.finish();
}

wire::reduced progress_of(worker_id who, const wire::step_round& when,
                          const wire::sum_progress& known) {
  wire::builder<schemas::Reduced> message;
  wire::to_wire(who, message->initWorker());
  message->setStep(when.step.value());
  message->setRound(when.round.value());
  message->setDone(false);
  message->setPartsDone(known.parts_done);
  message->setPartsTotal(known.parts_total);
  message->setRevision(known.revision);
  message->setBytesPerS(known.bytes_per_s);
  auto waits = message->initWaitingFor(static_cast<unsigned>(known.waiting_for.size()));
  for (unsigned i = 0; i < waits.size(); ++i)
    wire::to_wire(known.waiting_for[i], waits[i]);
  return message.finish();
}

microbatch_set set_of(capnp::Data::Reader bitmap) {
  microbatch_set result;
  const auto bits = std::min<int64_t>(microbatches_max, static_cast<int64_t>(bitmap.size()) * 8);
  for (int64_t i = 0; i < bits; ++i)
    if ((bitmap[static_cast<size_t>(i / 8)] >> (i % 8) & 1) != 0) result.insert(microbatch_id{i});
  return result;
}

wire::position position_of(worker_id who, stage_id stage, const step_guard& guard) {
  wire::builder<schemas::Position> message;
  wire::to_wire(who, message->initWorker());
  message->setStage(static_cast<uint32_t>(stage.value()));
  message->setVersion(guard.version().value());
  write(guard.sum().attempt, guard.sum().hash, message->initReduced());
  message->setHash(guard.sum().hash);
  message->setSquaredNorm(guard.sum().squared_norm);
  message->setCounted(guard.sum().counted);
  write(guard.committed().attempt, guard.committed().hash, message->initCommitted());
  message->setScale(guard.committed().scale);
  message->setCommittedCounted(guard.committed().counted);
  message->setHistory(guard.history().value());
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

wire::state_chunk chunk_of(const shard_reply& reply) {
  wire::builder<schemas::StateChunk> message;
  const auto& shard = reply.shard;
  message->setVersion(reply.weights.version.value());
  message->setHistory(reply.weights.history.value());
  message->setTotalElements(reply.total_elements);
  message->setFirstElement(reply.first_element);
  message->setChecksum(state_checksum(shard.data(), shard.bytes()));
  write(reply.commit.attempt, reply.commit.hash, message->initCommitted());
  message->setScale(reply.commit.scale);
  message->setCounted(reply.commit.counted);
  message->setBytes(capnp::Data::Reader(shard.as<kj::byte>(), shard.bytes()));
  message->setPresent(capnp::Data::Reader(reply.present.data(), reply.present.size()));
  auto also = message->initAlso(static_cast<unsigned>(reply.also.size()));
  for (unsigned i = 0; i < also.size(); ++i)
    also.set(i, reply.also[i].value());
  return message.finish();
}

download::answer answer_in(const wire::state_chunk& m) {
  const auto chunk = m.read();
  const auto bytes = chunk->getBytes();
  const auto present = chunk->getPresent();
  return {{history_id{chunk->getHistory()}, step_id{chunk->getVersion()}},
          chunk->getTotalElements(),
          {chunk->getFirstElement(), bytes.size() / element_state_bytes},
          bytes.size(),
          chunk->getVersion() >= 0 &&
              state_checksum(bytes.begin(), bytes.size()) == chunk->getChecksum(),
          {present.begin(), present.end()}};
}

tensors::host_tensor shard_in(const wire::state_chunk& m) {
  const auto bytes = m.read()->getBytes();
  const auto count = static_cast<int64_t>(bytes.size() / element_state_bytes);
  return {tensors::dtype::f32, {3, count}, m.bytes(), bytes.begin()};
}

last_commit commit_in(schemas::StateChunk::Reader chunk) {
  const auto made_by = chunk.getCommitted();
  return {{term_id{made_by.getTerm()}, round_id{made_by.getRound()}},
          chunk.getScale(),
          chunk.getCounted(),
          made_by.getHash().cStr()};
}

history_names names_in(schemas::StateChunk::Reader chunk) {
  history_names names;
  const auto also = chunk.getAlso();
  for (unsigned i = 0; i < also.size() && i <= history_names_max; ++i)
    names = with_name(std::move(names), history_id{also[i]});
  return with_name(std::move(names), history_id{chunk.getHistory()});
}

wire::state_request request_of(stage_id stage, const download::question& q,
                               std::optional<weights_id> newer_than) {
  wire::builder<schemas::StateRequest> message;
  message->setStage(static_cast<uint32_t>(stage.value()));
  message->setVersion(q.only ? q.only->version.value() : -1);
  message->setHistory(q.only ? q.only->history.value() : any_history.value());
  message->setFirstElement(q.range.first);
  message->setElements(static_cast<uint32_t>(q.shard_elements));
  if (newer_than) {
    message->setNewerThan(newer_than->version.value());
    message->setNewerThanHistory(newer_than->history.value());
  }
  return message.finish();
}

std::optional<weights_id> weights_in(schemas::StateRequest::Reader request) {
  if (request.getVersion() < 0) return std::nullopt;
  return weights_id{history_id{request.getHistory()}, step_id{request.getVersion()}};
}

}  // namespace swarm::stage
