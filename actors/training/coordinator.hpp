#pragma once

#include <caf/actor_system.hpp>
#include <caf/typed_actor.hpp>
#include <chrono>

#include "actors/ids.hpp"
#include "actors/rebalancing/move_arbiter.hpp"
#include "actors/training/errc.hpp"
#include "actors/wire/roster.hpp"
#include "tensors/optim/optimizer_config.hpp"

namespace swarm::training {

using advance_atom = caf::atom_constant<caf::atom("advance")>;

/// After so many reduces of one step that timed out or differed, one worker per stage goes on alone
/// and the others fetch from it: a group that cannot agree must not stop the run.
inline constexpr uint32_t failed_reduces_max = 3;

/// An order that is not answered is sent so often within its time-out; each worker does it once.
inline constexpr uint32_t calls_max = 4;

/// advance: commit steps until the model has this version, then stop; answers that version. While
/// it is on its way, a higher target replaces the lower one and both are answered. A candidate that
/// stands by remembers the target for the day it leads, and answers when the leader has got there.
/// A leader whose run has diverged makes no more steps and answers errc::diverged, now and later.
using coordinator_actor =
    caf::typed_actor<caf::reacts_to<wire::lease_done>,
                     caf::replies_to<wire::move_request>::with<wire::move_answer>,
                     caf::reacts_to<wire::beat>, caf::reacts_to<wire::roster_update>,
                     caf::replies_to<advance_atom, int64_t>::with<int64_t>>;

struct coordinator_options {
  worker_id id;
  /// Leads at once, from `first_step` and with at least `term`. Of the first candidate of a new run
  /// only: everybody else stands by until nobody leads, and asks the workers where they stand.
  bool first = true;
  term_id term{1};
  step_id first_step{0};
  /// A new run's first step begins when every stage has somebody and nobody has come for so long:
  /// whoever comes later has to fetch a state that it could have made itself.
  std::chrono::milliseconds settle{0};
  /// Steps are committed up to this version without being asked for.
  step_id target{0};
  int32_t stages = 1;
  int64_t microbatches = 1;  ///< of a global batch
  int64_t tokens_per_microbatch = 1;
  tensors::optimizer_config optimizer;  ///< for the clip factor and the reported learning rate
  double uniform_loss = 0;              ///< see divergence; 0: not known
  wire::directory_actor directory;
  caf::actor telemetry;  ///< optional
  std::chrono::milliseconds gather_timeout{30'000};
  /// An all-reduce in which nothing has moved for so long, or for a multiple of its pace, goes on
  /// without whoever is in the way; commits and their like are waited for as long.
  std::chrono::milliseconds reduce_timeout{60'000};
  std::chrono::milliseconds lease_timeout{120'000};
  /// How long a step with an empty stage waits before it asks again.
  std::chrono::milliseconds empty_stage_retry{200};
  /// A stage that nobody serves, or that cannot go on, for so long is rescued: the run goes back to
  /// the newest version of which every stage has a copy. 0: never, it waits for somebody to come.
  std::chrono::milliseconds rescue_after{5'000};
  /// From copies of every stage's state a lost stage comes back. No step begins that would be
  /// further than this from the last ones backed up, so no more steps are ever lost. 0: none.
  int64_t keep_every = 0;
  /// A step waits for copies so long, then goes on without until they come: slow links must not
  /// hold up a run.
  std::chrono::milliseconds backup_wait{2'000};
  /// Copies that are not backed up by then are given up, and the next ones made.
  std::chrono::milliseconds backup_patience{60'000};
  rebalancing::move_arbiter_options arbiter;
  /// Nobody leads for so long, times the rank among the candidates: take over.
  std::chrono::milliseconds election_timeout{3'000};
};

/// One candidate for the coordinator's office. The one that leads runs the step transaction: leases
/// the global batch to trainers, gathers, reconciles, lets the stages reduce, commits. The
/// decisions are the step_ledger's, the election's, the succession's and the rescue's.
///
/// Owner: the training supervisor. It may drop: answers to leases, gathers and reduces of rounds
/// that are over. A restarted one has the next incarnation and stands by.
coordinator_actor spawn_coordinator(caf::actor_system& system, coordinator_options options);

}  // namespace swarm::training
