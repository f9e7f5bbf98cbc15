#pragma once

#include <caf/expected.hpp>
#include <caf/scoped_actor.hpp>
#include <vector>

#include "actors/training/evaluator.hpp"
#include "actors/wire/roster.hpp"
#include "tensors/codec/host_tensor.hpp"

/// What a program asks of a running swarm. Each call blocks the calling thread.
namespace swarm::peer {

/// The flat parameters of one stage, f32 [flat_size], at this version, from any of these members
/// that serves it.
caf::expected<tensors::host_tensor> fetch_parameters(caf::scoped_actor& self,
                                                     const std::vector<wire::member>& members,
                                                     stage_id stage, int64_t version);

/// The evaluator of a training peer; invalid while it has none.
training::evaluator_actor evaluator_of(caf::scoped_actor& self, const caf::actor& training_peer);

}  // namespace swarm::peer
