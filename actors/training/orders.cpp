#include "actors/training/orders.hpp"

#include <cmath>

namespace swarm::training {

wire::begin_step begin_step_of(const wire::step_round& when, history_id history,
                               int64_t microbatches) {
  wire::builder<schemas::BeginStep> message;
  message->setTerm(when.term.value());
  message->setStep(when.step.value());
  message->setMicrobatches(microbatches);
  message->setHistory(history.value());
  message->setVersion(when.step.value());
  return message.finish();
}

wire::lease lease_of(const wire::step_round& when, history_id history,
                     const std::vector<lease_item>& items, const std::set<worker_id>& excluded) {
  wire::builder<schemas::Lease> message;
  wire::set_step_round(*message, when);
  message->setHistory(history.value());
  message->setVersion(when.step.value());
  auto list = message->initItems(static_cast<unsigned>(items.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    list[i].setItem(items[i].item);
    list[i].setMicrobatch(items[i].microbatch.value());
    list[i].setStages(items[i].stages);
    list[i].setWeight(static_cast<int8_t>(items[i].weight));
    wire::to_wire(items[i].target, list[i].initTarget());
    if (!items[i].share) continue;
    list[i].setForShare(true);
    list[i].setLostMember(items[i].share->member);
    list[i].setShare(items[i].share->share);
  }
  auto left_out = message->initExcluded(static_cast<unsigned>(excluded.size()));
  unsigned n = 0;
  for (const auto& id : excluded)
    wire::to_wire(id, left_out[n++]);
  return message.finish();
}

wire::gather gather_of(const wire::step_round& when, history_id history) {
  wire::builder<schemas::Gather> message;
  wire::set_step_round(*message, when);
  message->setHistory(history.value());
  message->setVersion(when.step.value());
  return message.finish();
}

wire::drop drop_of(const wire::step_round& when) {
  wire::builder<schemas::Drop> message;
  wire::set_step_round(*message, when);
  return message.finish();
}

static void write_losses(const group_repair& group, std::optional<worker_id> helper,
                         schemas::Reduce::Builder out) {
  auto losses = out.initLosses(static_cast<unsigned>(group.losses().size()));
  for (unsigned i = 0; i < losses.size(); ++i) {
    const auto& loss = group.losses()[i];
    losses[i].setMember(loss.member);
    losses[i].setSlices(static_cast<uint16_t>(loss.slices));
    auto shares = losses[i].initShares(static_cast<unsigned>(loss.shares.size()));
    for (unsigned k = 0; k < shares.size(); ++k) {
      const auto& share = loss.shares[k];
      shares[k].setHelper(*group.index_of(share.helper));
      if (share.helper == helper)
        shares[k].setMicrobatches({share.microbatches.data(), share.microbatches.size()});
    }
  }
}

wire::reduce reduce_of(const wire::step_round& when, stage_id stage, const group_repair& group,
                       const std::vector<worker_id>& followers, uint32_t revision, int64_t counted,
                       std::chrono::milliseconds hold, std::optional<worker_id> helper) {
  wire::builder<schemas::Reduce> message;
  wire::set_step_round(*message, when);
  message->setStage(static_cast<uint32_t>(stage.value()));
  message->setCounted(static_cast<uint32_t>(counted));
  message->setRevision(revision);
  message->setHoldMs(static_cast<uint32_t>(hold.count()));
  const auto& members = group.members();
  auto list = message->initMembers(static_cast<unsigned>(members.size() + followers.size()));
  for (unsigned i = 0; i < list.size(); ++i) {
    const bool contributes = i < members.size();
    wire::to_wire(contributes ? members[i] : followers[i - members.size()], list[i].initWorker());
    list[i].setContributes(contributes);
  }
  write_losses(group, helper, *message);
  return message.finish();
}

wire::commit commit_of(term_id term, weights_id from, const stage_sum& sum, double scale,
                       int64_t counted, bool keep, std::optional<step_id> on_disks) {
  wire::builder<schemas::Commit> message;
  wire::set_step_round(*message, {term, from.version, sum.attempt.round});
  message->setHistory(from.history.value());
  message->setReducedTerm(sum.attempt.term.value());
  message->setHash(sum.hash);
  message->setScale(scale);
  message->setCounted(static_cast<uint32_t>(counted));
  message->setKeep(keep);
  if (on_disks) message->setOnDisks(on_disks->value());
  return message.finish();
}

wire::take_over take_over_of(term_id term) {
  wire::builder<schemas::TakeOver> message;
  message->setTerm(term.value());
  return message.finish();
}

wire::beat beat_of(term_id term) {
  wire::builder<schemas::Beat> message;
  message->setTerm(term.value());
  return message.finish();
}

wire::pre_vote pre_vote_of(std::chrono::milliseconds patience) {
  wire::builder<schemas::PreVote> message;
  message->setPatienceMs(static_cast<uint32_t>(patience.count()));
  return message.finish();
}

wire::restore restore_of(term_id term, weights_id weights, const std::vector<worker_id>& holders) {
  wire::builder<schemas::Restore> message;
  message->setTerm(term.value());
  message->setVersion(weights.version.value());
  message->setHistory(weights.history.value());
  message->setProgress(true);
  auto list = message->initHolders(static_cast<unsigned>(holders.size()));
  for (unsigned i = 0; i < list.size(); ++i)
    wire::to_wire(holders[i], list[i]);
  return message.finish();
}

wire::inventory_request inventory_request_of(term_id term) {
  wire::builder<schemas::InventoryRequest> message;
  message->setTerm(term.value());
  return message.finish();
}

wire::move_order move_order_of(term_id term, stage_id to) {
  wire::builder<schemas::MoveOrder> message;
  message->setTerm(term.value());
  message->setStage(static_cast<uint32_t>(to.value()));
  return message.finish();
}

std::optional<std::pair<worker_id, position>> read_position(const wire::position& m,
                                                            int32_t stages) {
  if (m.fault()) return std::nullopt;
  const auto body = m.read();
  const auto attempt = [](schemas::Attempt::Reader x) {
    return attempt_id{term_id{x.getTerm()}, round_id{x.getRound()}};
  };
  if (body->getStage() >= static_cast<uint32_t>(stages) || body->getVersion() < 0 ||
      !std::isfinite(body->getSquaredNorm()) || !std::isfinite(body->getScale()))
    return std::nullopt;
  position result;
  result.stage = stage_id{static_cast<int32_t>(body->getStage())};
  result.weights = {history_id{body->getHistory()}, step_id{body->getVersion()}};
  result.reduced = attempt(body->getReduced());
  result.hash = body->getHash().cStr();
  result.squared_norm = body->getSquaredNorm();
  result.counted = body->getCounted();
  result.committed = attempt(body->getCommitted());
  result.committed_hash = body->getCommitted().getHash().cStr();
  result.scale = body->getScale();
  result.committed_counted = body->getCommittedCounted();
  return std::make_pair(wire::from_wire(body->getWorker()), result);
}

}  // namespace swarm::training
