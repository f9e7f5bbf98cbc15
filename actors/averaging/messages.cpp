#include "actors/averaging/messages.hpp"

#include <algorithm>

#include "actors/wire/tensor.hpp"

namespace swarm::averaging {

namespace {

/// One more than is allowed, so that the excess is seen.
unsigned cut(unsigned size, size_t most) {
  return std::min(size, static_cast<unsigned>(most) + 1);
}

void write_shares(const std::vector<share_id>& shares, capnp::List<schemas::ShareId>::Builder out) {
  for (unsigned i = 0; i < out.size(); ++i) {
    out[i].setMember(shares[i].member);
    out[i].setShare(shares[i].share);
  }
}

}  // namespace

reduce_order order_from(const schemas::Reduce::Reader& body) {
  reduce_order order;
  order.revision = body.getRevision();
  order.part_elements = body.getPartElements();
  const auto members = body.getMembers();
  for (unsigned i = 0; i < cut(members.size(), group_members_max); ++i)
    order.members.push_back({wire::from_wire(members[i].getWorker()), members[i].getContributes(),
                             members[i].getBandwidth()});
  const auto losses = body.getLosses();
  for (unsigned i = 0; i < cut(losses.size(), group_members_max); ++i) {
    order.losses.push_back({losses[i].getMember(), {}, losses[i].getSlices()});
    const auto shares = losses[i].getShares();
    for (unsigned k = 0; k < cut(shares.size(), shares_max); ++k)
      order.losses.back().helpers.push_back(shares[k].getHelper());
  }
  return order;
}

unit_list units_from(bool own, capnp::List<schemas::ShareId>::Reader shares) {
  unit_list units;
  units.own = own;
  for (unsigned i = 0; i < cut(shares.size(), shares_max * group_members_max); ++i)
    units.shares.push_back({shares[i].getMember(), shares[i].getShare()});
  return units;
}

received_want want_from(const schemas::Want::Reader& body) {
  received_want want;
  want.from = wire::from_wire(body.getSender());
  want.revision = body.getRevision();
  const auto parts = body.getParts();
  for (unsigned i = 0; i < cut(parts.size(), want_parts_max); ++i)
    want.parts.push_back(parts[i]);
  want.sum = body.getSum();
  want.units = units_from(body.getOwn(), body.getShares());
  want.or_sum = body.getOrSum();
  return want;
}

wire::want message_of(const reduce_question& question, const wire::step_round& when,
                      uint32_t revision, worker_id sender) {
  wire::builder<schemas::Want> message;
  wire::set_step_round(*message, when);
  message->setRevision(revision);
  wire::to_wire(sender, message->initSender());
  auto parts = message->initParts(static_cast<unsigned>(question.parts.size()));
  for (unsigned i = 0; i < parts.size(); ++i)
    parts.set(i, question.parts[i]);
  message->setSum(question.sum);
  message->setOwn(question.units.own);
  write_shares(question.units.shares,
               message->initShares(static_cast<unsigned>(question.units.shares.size())));
  message->setOrSum(question.or_sum);
  return message.finish();
}

wire::part message_of(const part_answer& answer, const wire::step_round& when, uint32_t revision,
                      worker_id sender) {
  wire::builder<schemas::Part> message;
  wire::set_step_round(*message, when);
  message->setRevision(revision);
  wire::to_wire(sender, message->initSender());
  message->setPart(answer.part);
  message->setReduced(answer.sum);
  message->setOwn(answer.units.own);
  write_shares(answer.units.shares,
               message->initShares(static_cast<unsigned>(answer.units.shares.size())));
  wire::attach(message, message->initValues(), answer.values);
  return message.finish();
}

}  // namespace swarm::averaging
