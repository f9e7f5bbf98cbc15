#pragma once

#include <caf/type_erased_tuple.hpp>
#include <chrono>
#include <optional>

#include "actors/faults/rules.hpp"
#include "actors/wire/messages.hpp"

/// Rules for a link in front of a compute actor or a stage worker: a device that computes nonsense,
/// is full, or hangs. A slow one: conditions::slow.
namespace swarm::faults {

/// Answered with this refusal, without being executed.
rule refuse(selection which, schemas::Refusal::Reason why);
rule not_finite(selection which);
rule out_of_memory(selection which);
rule misfit(selection which);  ///< wrongShape: the request's tensors do not fit

/// Executed, but the answer's loss is not a number. Changes LossDone and Inferred, nothing else.
rule nan_loss(selection which);
/// Executed, but the answer's tensor is flat, or two-dimensional if it was flat; its elements stay.
/// Changes Activation, InputGradient, LossDone and Inferred that have a tensor.
rule wrong_shape(selection which);

/// The chosen message, and all behind it, reach the device so much later.
rule stall(selection which, std::chrono::nanoseconds how_long);

/// What nan_loss and wrong_shape do; nothing where there is nothing to change.
std::optional<caf::message> with_nan_loss(const caf::type_erased_tuple& answer);
std::optional<caf::message> with_wrong_shape(const caf::type_erased_tuple& answer);

}  // namespace swarm::faults
