#pragma once

#include <cstdint>
#include <vector>

#include "actors/averaging/all_reduce.hpp"
#include "actors/wire/messages.hpp"
#include "actors/wire/ticket.hpp"
#include "tensors/codec/host_tensor.hpp"

/// schemas/averaging.capnp and Reduce, to and from what all_reduce knows.
namespace swarm::averaging {

/// What a Reduce says of its group.
struct reduce_order {
  uint32_t revision = 0;
  std::vector<reduce_member> members;
  std::vector<reduce_loss> losses;
  size_t part_elements = 0;  ///< 0: it does not say
};

/// An answer whose values keep alive what they point into.
struct part_answer {
  size_t to = 0;  ///< index of a member
  uint32_t part = 0;
  bool sum = false;
  unit_list units;
  tensors::host_tensor values;
};

/// More members, losses or shares than the limits are cut off there: the plan refuses the group.
reduce_order order_from(const schemas::Reduce::Reader& body);
received_want want_from(const schemas::Want::Reader& body);
/// At most shares_max for each member of a group.
unit_list units_from(bool own, capnp::List<schemas::ShareId>::Reader shares);

wire::want message_of(const reduce_question& question, const wire::step_round& when,
                      uint32_t revision, worker_id sender);
wire::part message_of(const part_answer& answer, const wire::step_round& when, uint32_t revision,
                      worker_id sender);

}  // namespace swarm::averaging
