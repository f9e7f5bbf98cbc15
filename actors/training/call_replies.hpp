#pragma once

#include <caf/error.hpp>

#include "actors/training/lease_run.hpp"
#include "actors/training/microbatch_run.hpp"
#include "actors/training/stray_watch.hpp"
#include "actors/wire/messages.hpp"
#include "actors/wire/ticket.hpp"

/// What a trainer takes out of the workers' answers, and keeps of it. Tensors stay in their frames.
namespace swarm::training {

/// The answer is to a call of this step and microbatch.
template <class Reply>
bool fits(const Reply& reply, step_id step, microbatch_id microbatch) {
  const auto ticket = wire::from_wire(reply.read()->getTicket());
  return ticket.step == step && ticket.microbatch == microbatch;
}

/// False: it is no answer to the run's call, and nothing of it is kept. `allow_virtual`: tensors
/// that only have a size will do.
bool take(const wire::activation& reply, lease_run& run, saved_microbatch& saved,
          bool allow_virtual);
bool take(const wire::loss_done& reply, lease_run& run, saved_microbatch& saved,
          bool allow_virtual);
bool take(const wire::input_gradient& reply, lease_run& run, saved_microbatch& saved,
          bool allow_virtual);

/// What an error reply means for the call that is out. The run notes where the worker says it
/// stands, for the coordinator, which may have been replaced or overtaken.
call_failure failure_of(const caf::error& error, lease_run& run, step_id step, stray_watch& strays);

}  // namespace swarm::training
