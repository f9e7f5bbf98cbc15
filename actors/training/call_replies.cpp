#include "actors/training/call_replies.hpp"

#include <algorithm>
#include <caf/sec.hpp>
#include <cmath>
#include <utility>

#include "actors/wire/refusal.hpp"
#include "actors/wire/tensor.hpp"

namespace swarm::training {

namespace {

using tensors::host_tensor;

/// A boundary tensor is kept for every later call, so nothing but a tensor may take its place.
bool keep(schemas::Tensor::Reader source, const wire::frame_ptr& owner, host_tensor& out,
          bool allow_virtual) {
  host_tensor value;
  if (!wire::extract_into(source, owner, value, allow_virtual) || value.empty()) return false;
  out = std::move(value);
  return true;
}

/// The version that a refusal names.
step_id note(lease_run& run, const caf::error& error) {
  const auto refusal = wire::refusal_of(error);
  if (!refusal || refusal->fault()) return step_id{0};
  const auto body = refusal->read();
  const step_id version{body->getVersion()};
  run.seen_term = std::max(run.seen_term, term_id{body->getTerm()});
  run.seen_weights =
      std::max(run.seen_weights, weights_id{history_id{body->getHistory()}, version});
  return version;
}

}  // namespace

bool take(const wire::activation& reply, lease_run& run, saved_microbatch& saved,
          bool allow_virtual) {
  saved.graph_holders[run.stage()] = run.worker();
  return keep(reply.read()->getOutput(), reply.bytes(), saved.inputs[run.stage() + 1],
              allow_virtual);
}

bool take(const wire::loss_done& reply, lease_run& run, saved_microbatch& saved,
          bool allow_virtual) {
  run.loss = reply.read()->getLoss();
  if (!std::isfinite(run.loss)) return false;
  return saved.has_input_gradient(run.call().stage) ||
         keep(reply.read()->getInputGradient(), reply.bytes(),
              saved.output_gradients[run.stage() - 1], allow_virtual);
}

bool take(const wire::input_gradient& reply, lease_run& run, saved_microbatch& saved,
          bool allow_virtual) {
  if (reply.read()->getRecomputed()) ++run.recomputed;
  return saved.has_input_gradient(run.call().stage) ||
         keep(reply.read()->getGradient(), reply.bytes(), saved.output_gradients[run.stage() - 1],
              allow_virtual);
}

call_failure failure_of(const caf::error& error, lease_run& run, step_id step,
                        stray_watch& strays) {
  if (error == caf::sec::request_timeout) return call_failure::timed_out;
  const auto reason = wire::refusal_reason(error);
  if (!reason) return call_failure::refused;
  const auto version = note(run, error);
  switch (*reason) {
    case schemas::Refusal::Reason::WRONG_ROUND:
      // The helper may not have heard yet that the share is its own.
      if (run.item().share) return call_failure::refused;
      return call_failure::round_over;
    case schemas::Refusal::Reason::LOWER_TERM:
    case schemas::Refusal::Reason::FROZEN:
      return call_failure::round_over;
    case schemas::Refusal::Reason::AHEAD:
      return strays.ahead(run.worker(), step, version) ? call_failure::refused
                                                       : call_failure::round_over;
    case schemas::Refusal::Reason::NON_FINITE:
      return call_failure::not_finite;
    case schemas::Refusal::Reason::WRONG_SHAPE:
      return call_failure::misfit;
    case schemas::Refusal::Reason::ACTIVATION_MISSING:
      return run.sends_input() ? call_failure::refused : call_failure::no_graph;
    default:
      return call_failure::refused;
  }
}

}  // namespace swarm::training
