#pragma once

#include <caf/actor_system.hpp>
#include <caf/typed_actor.hpp>
#include <chrono>
#include <functional>
#include <utility>

#include "actors/ids.hpp"
#include "actors/training/errc.hpp"
#include "actors/wire/roster.hpp"
#include "actors/wiring/router.hpp"
#include "tensors/codec/host_tensor.hpp"

namespace swarm::training {

/// Tokens and targets (i32 [rows, context]) of microbatch `index` of step `step`: a pure function.
using microbatch_source = std::function<std::pair<tensors::host_tensor, tensors::host_tensor>(
    int64_t step, int64_t index)>;

using trainer_actor =
    caf::typed_actor<caf::reacts_to<wire::lease>, caf::reacts_to<wire::begin_step>,
                     caf::reacts_to<wire::roster_update>>;

struct trainer_options {
  worker_id id;
  int32_t stages = 1;
  microbatch_source source;
  uint32_t in_flight = 4;  ///< microbatches under way at once
  wiring::policy_kind policy = wiring::default_policy;
  uint64_t routing_seed = 0;
  size_t saved_bytes_max = size_t{1} << 30;
  /// Takes tensors that only have a size, from engines that only have a cost.
  bool allow_virtual = false;
  wire::directory_actor directory;
  /// How long it waits for a call to a stage that has not answered any yet; from then on as long as
  /// the stage usually takes and much more (call_clock), but not less than the shortest.
  std::chrono::milliseconds call_timeout{30'000};
  std::chrono::milliseconds shortest_call_timeout{2'000};
  /// While something moves its leases are renewed so often.
  std::chrono::milliseconds renew_period{10'000};
  std::chrono::milliseconds retry_min{20};
  std::chrono::milliseconds retry_max{2'000};
};

/// Brings leased microbatches through the stages, several at a time, each call to the worker that
/// the stage's router picks. It keeps every stage's input and output gradient until the step
/// commits, so that a failed call is simply made again elsewhere.
///
/// Owner: the training supervisor; when it dies its leases return to the coordinator. It may drop:
/// late answers to calls it has already made again.
trainer_actor spawn_trainer(caf::actor_system& system, trainer_options options);

}  // namespace swarm::training
