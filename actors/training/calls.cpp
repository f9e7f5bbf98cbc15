#include "actors/training/calls.hpp"

#include "actors/wire/tensor.hpp"

namespace swarm::training {

using tensors::host_tensor;

wire::forward forward_of(const wire::ticket& ticket, const host_tensor& input) {
  wire::builder<schemas::Forward> message;
  wire::to_wire(ticket, message->initTicket());
  wire::attach(message, message->initInput(), input);
  return message.finish();
}

wire::loss loss_of(const wire::ticket& ticket, int weight, bool sum_only, const host_tensor& input,
                   const host_tensor& targets) {
  wire::builder<schemas::Loss> message;
  wire::to_wire(ticket, message->initTicket());
  message->setWeight(static_cast<int8_t>(weight));
  message->setSumOnly(sum_only);
  wire::attach(message, message->initInput(), input);
  wire::attach(message, message->initTargets(), targets);
  return message.finish();
}

wire::backward backward_of(const wire::ticket& ticket, int weight, bool sum_only,
                           const host_tensor& input, const host_tensor& output_gradient) {
  wire::builder<schemas::Backward> message;
  wire::to_wire(ticket, message->initTicket());
  message->setWeight(static_cast<int8_t>(weight));
  message->setSumOnly(sum_only);
  if (!input.empty()) wire::attach(message, message->initInput(), input);
  wire::attach(message, message->initOutputGradient(), output_gradient);
  return message.finish();
}

wire::cancel cancel_of(const wire::ticket& ticket) {
  wire::builder<schemas::Cancel> message;
  wire::to_wire(ticket, message->initTicket());
  return message.finish();
}

share_of_loss share_in(schemas::LeaseItem::Reader item, int32_t stages) {
  stage_id stage{0};
  while (stage.value() + 1 < stages && (item.getStages() >> stage.value() & 1) == 0)
    stage = stage.next();
  return {stage, item.getLostMember(), item.getShare()};
}

wire::lease_done lease_done_of(const lease_report& report) {
  wire::builder<schemas::LeaseDone> message;
  wire::set_step_round(*message, report.when);
  message->setMicrobatch(report.microbatch.value());
  message->setItem(report.item);
  message->setOutcome(static_cast<schemas::LeaseDone::Outcome>(report.outcome));
  message->setLoss(report.loss);
  message->setRecomputed(report.recomputed);
  message->setRetries(report.retries);
  message->setSeenTerm(report.seen_term.value());
  message->setSeenVersion(report.seen_weights.version.value());
  message->setSeenHistory(report.seen_weights.history.value());
  message->setStages(report.stages);
  wire::to_wire(report.worker, message->initWorker());
  return message.finish();
}

wire::lease_done progress_of(const wire::step_round& when, uint32_t item, microbatch_id microbatch,
                             uint64_t stages, worker_id worker) {
  wire::builder<schemas::LeaseDone> message;
  wire::set_step_round(*message, when);
  message->setMicrobatch(microbatch.value());
  message->setItem(item);
  message->setOutcome(schemas::LeaseDone::Outcome::PROGRESSED);
  message->setStages(stages);
  wire::to_wire(worker, message->initWorker());
  return message.finish();
}

}  // namespace swarm::training
