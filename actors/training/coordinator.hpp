#pragma once

#include <caf/actor_system.hpp>
#include <caf/typed_actor.hpp>
#include <chrono>

#include "actors/ids.hpp"
#include "actors/training/errc.hpp"
#include "actors/wire/roster.hpp"
#include "tensors/optim/optimizer_config.hpp"

namespace swarm::training {

using advance_atom = caf::atom_constant<caf::atom("advance")>;

/// After so many reduces of one step that timed out or differed, one worker per stage goes on alone
/// and the others fetch from it: a group that cannot agree must not stop the run.
inline constexpr uint32_t failed_reduces_max = 3;

/// advance: commit steps until the model has this version, then stop; answers that version. While
/// it is on its way, a higher target replaces the lower one and both are answered.
using coordinator_actor =
    caf::typed_actor<caf::reacts_to<wire::lease_done>, caf::reacts_to<wire::roster_update>,
                     caf::replies_to<advance_atom, int64_t>::with<int64_t>>;

struct coordinator_options {
  worker_id id;
  term_id term{1};
  step_id first_step{0};
  int32_t stages = 1;
  int64_t microbatches = 1;  ///< of a global batch
  int64_t tokens_per_microbatch = 1;
  tensors::optimizer_config optimizer;  ///< for the clip factor and the reported learning rate
  wire::directory_actor directory;
  caf::actor telemetry;  ///< optional
  std::chrono::milliseconds gather_timeout{30'000};
  std::chrono::milliseconds reduce_timeout{60'000};
  std::chrono::milliseconds lease_timeout{120'000};
  /// How long a step with an empty stage waits before it asks again.
  std::chrono::milliseconds empty_stage_retry{200};
};

/// Runs the step transaction: leases the global batch to trainers, gathers, reconciles, lets the
/// stages reduce, commits. The decisions are the step_ledger's.
///
/// Owner: the training supervisor. It may drop: answers to leases, gathers and reduces of rounds
/// that are over. A restarted coordinator needs a higher term.
coordinator_actor spawn_coordinator(caf::actor_system& system, coordinator_options options);

}  // namespace swarm::training
