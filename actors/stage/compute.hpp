#pragma once

#include <caf/actor_system.hpp>
#include <caf/typed_actor.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "actors/wire/messages.hpp"
#include "actors/wire/roster.hpp"
#include "tensors/engine/stage_engine.hpp"

namespace swarm::stage {

using sum_atom = caf::atom_constant<caf::atom("sum")>;
using reduced_atom = caf::atom_constant<caf::atom("reduced")>;
using apply_atom = caf::atom_constant<caf::atom("apply")>;
using clear_atom = caf::atom_constant<caf::atom("clear")>;
using export_atom = caf::atom_constant<caf::atom("export")>;
using import_atom = caf::atom_constant<caf::atom("import")>;
using elements_atom = caf::atom_constant<caf::atom("elements")>;
using hash_atom = caf::atom_constant<caf::atom("hash")>;
using forget_atom = caf::atom_constant<caf::atom("forget")>;

/// The device of one stage worker: the only actor that touches an engine, and the compute seam. It
/// does what its worker admitted, in order; it knows nothing of terms and rounds.
///
/// Owner: its stage supervisor, which restarts it together with the worker. It may be detached
/// (its own thread, for production) or scheduled (in the simulator).
///
/// backward and loss take the effective weight as a second argument; the sum is the worker's own,
/// or that of the share that the ticket names. Errors: stage::errc.
using compute_actor = caf::typed_actor<
    caf::replies_to<wire::forward>::with<wire::activation>,
    caf::replies_to<wire::backward, int>::with<wire::input_gradient>,
    caf::replies_to<wire::loss, int>::with<wire::loss_done>,
    caf::replies_to<wire::infer, int64_t>::with<wire::inferred>,
    // The gradient sum, aliased.
    caf::replies_to<sum_atom>::with<tensors::host_tensor>,
    // The same of a share: term and round of the attempt, index of the lost
    // member, index of the share.
    caf::replies_to<sum_atom, uint64_t, uint32_t, uint32_t, uint32_t>::with<tensors::host_tensor>,
    // Forgets the sums of shares of other attempts than this one. An optimizer
    // step forgets all.
    caf::replies_to<forget_atom, uint64_t, uint32_t>::with<bool>,
    // The stage's sum; answers its squared norm.
    caf::replies_to<reduced_atom, tensors::host_tensor>::with<double>,
    // Optimizer step number, scale; answers the hash of the new weights.
    caf::replies_to<apply_atom, int64_t, double>::with<std::string>,
    // Forgets the gradient sum.
    caf::replies_to<clear_atom>::with<bool>,
    // Parameters and optimizer state, a copy.
    caf::replies_to<export_atom>::with<tensors::host_tensor>,
    caf::replies_to<import_atom, tensors::host_tensor>::with<std::string>,
    // By ranges of flat elements: how many there are; the first and the count of
    // those that go or come, as f32 [3, count].
    caf::replies_to<elements_atom>::with<int64_t>,
    caf::replies_to<export_atom, int64_t, int64_t>::with<tensors::host_tensor>,
    caf::replies_to<import_atom, int64_t, int64_t, tensors::host_tensor>::with<bool>,
    // As apply, over ranges: first and count of each.
    caf::replies_to<apply_atom, int64_t, double, std::vector<int64_t>>::with<bool>,
    // Of the weights; the gradient sum is clear from here on.
    caf::replies_to<hash_atom>::with<std::string>>;

/// How many computations run at once in this process. More threads than cores evict each other's
/// caches, so detached compute actors queue here for a core.
class device_slots {
 public:
  explicit device_slots(unsigned count);
  ~device_slots();
  device_slots(const device_slots&) = delete;
  device_slots& operator=(const device_slots&) = delete;

  void acquire();
  /// False: none is free.
  bool try_acquire();
  void release();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

/// One compute actor's claim to a slot. An actor that has hung never gives its slot back, so
/// whoever gives the actor up forfeits the claim, and another can compute.
class device_claim {
 public:
  /// Null: there are always slots.
  explicit device_claim(std::shared_ptr<device_slots> slots);
  device_claim(const device_claim&) = delete;
  device_claim& operator=(const device_claim&) = delete;

  /// By the actor, around one computation.
  void acquire();
  void release();

  /// By anybody, at any time: whatever it holds is free, and it holds nothing any more.
  void forfeit();

 private:
  const std::shared_ptr<device_slots> slots_;
  std::mutex mutex_;
  bool held_ = false;
  bool forfeited_ = false;
};

struct compute_options {
  /// Called once, in the compute actor's own thread.
  std::function<std::unique_ptr<tensors::stage_engine>()> make_engine;
  /// Null: run at once.
  std::shared_ptr<device_claim> claim;
  bool detached = true;
  /// Takes tensors that only have a size, for engines that only have a cost.
  bool allow_virtual = false;
  size_t activation_cache_bytes = size_t{1} << 30;
};

compute_actor spawn_compute(caf::actor_system& system, compute_options options);

}  // namespace swarm::stage
