#pragma once

#include <cstdint>

#include "actors/training/step_ledger.hpp"
#include "actors/wire/messages.hpp"
#include "actors/wire/ticket.hpp"
#include "tensors/codec/host_tensor.hpp"

/// The messages that a trainer builds; what they mean is said in schemas/pipeline.capnp and
/// schemas/step.capnp. Tensors are referenced, not copied.
namespace swarm::training {

wire::forward forward_of(const wire::ticket& ticket, const tensors::host_tensor& input);

/// `sum_only`: the answer comes without the input gradient.
wire::loss loss_of(const wire::ticket& ticket, int weight, bool sum_only,
                   const tensors::host_tensor& input, const tensors::host_tensor& targets);

/// An empty input is left out: the worker has the graph.
wire::backward backward_of(const wire::ticket& ticket, int weight, bool sum_only,
                           const tensors::host_tensor& input,
                           const tensors::host_tensor& output_gradient);

/// What waits of this call need not be done.
wire::cancel cancel_of(const wire::ticket& ticket);

/// Which share a leased item is for. The stage is the lowest that it names.
share_of_loss share_in(schemas::LeaseItem::Reader item, int32_t stages);

/// How a lease ended.
struct lease_report {
  wire::step_round when;
  uint32_t item = 0;
  microbatch_id microbatch;
  lease_outcome outcome = lease_outcome::returned;
  double loss = 0;
  uint32_t retries = 0;
  uint32_t recomputed = 0;
  term_id seen_term;        ///< the highest in a refusal
  weights_id seen_weights;  ///< the same
  uint64_t stages = 0;      ///< bit s: stage s, which answered last
  worker_id worker{};       ///< for that stage
};
wire::lease_done lease_done_of(const lease_report& report);

/// These stages have answered, and `worker` for them; the lease goes on.
wire::lease_done progress_of(const wire::step_round& when, uint32_t item, microbatch_id microbatch,
                             uint64_t stages, worker_id worker = {});

}  // namespace swarm::training
