#pragma once

#include <caf/actor_system.hpp>
#include <caf/typed_actor.hpp>
#include <chrono>
#include <functional>
#include <utility>
#include <vector>

#include "actors/training/errc.hpp"
#include "actors/wire/roster.hpp"
#include "tensors/codec/host_tensor.hpp"

namespace swarm::training {

using evaluate_atom = caf::atom_constant<caf::atom("evaluate")>;
using generate_atom = caf::atom_constant<caf::atom("generate")>;

/// evaluate: mean loss over this many validation batches.
/// generate: prompt, number of tokens, temperature (0: the likeliest), seed; answers the tokens.
using evaluator_actor =
    caf::typed_actor<caf::replies_to<evaluate_atom, int64_t>::with<double>,
                     caf::replies_to<generate_atom, std::vector<int32_t>, int64_t, double,
                                     uint64_t>::with<std::vector<int32_t>>,
                     caf::reacts_to<wire::roster_update>>;

struct evaluator_options {
  int32_t stages = 1;
  int64_t context = 1;
  /// Validation batch `index`: tokens and targets, i32 [rows, context].
  std::function<std::pair<tensors::host_tensor, tensors::host_tensor>(int64_t index)> batches;
  uint32_t in_flight = 4;  ///< validation batches under way at once
  wire::directory_actor directory;
  std::chrono::milliseconds call_timeout{30'000};
};

/// Validation loss and sampled text through the swarm's own stages, without gradients. A failed
/// call is tried at every other worker of the stage once, and a stage that nobody serves is waited
/// for during call_timeout; then the request fails with stage_unreachable. Ask between steps: a
/// commit in the middle mixes two versions.
evaluator_actor spawn_evaluator(caf::actor_system& system, evaluator_options options);

}  // namespace swarm::training
