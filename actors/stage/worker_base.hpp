#pragma once

#include <caf/typed_event_based_actor.hpp>
#include <string>
#include <vector>

#include "actors/stage/history_names.hpp"
#include "actors/stage/state_store.hpp"
#include "actors/stage/step_guard.hpp"
#include "actors/stage/worker_life.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/wire/roster.hpp"

/// What the parts of a stage worker share; of no use outside it.
namespace swarm::stage {

using fetch_atom = caf::atom_constant<caf::atom("fetch")>;
using tick_atom = caf::atom_constant<caf::atom("tick")>;
using hold_atom = caf::atom_constant<caf::atom("hold")>;

using full_worker_actor =
    wire::stage_worker_actor::extend<caf::reacts_to<wire::roster_update>,
                                     caf::reacts_to<fetch_atom>, caf::reacts_to<tick_atom>,
                                     // A poll of Reduce has waited for as long as it said.
                                     caf::reacts_to<hold_atom, uint64_t>>;

template <class Reply>
using promise = caf::typed_response_promise<Reply>;

/// The worker as its parts see it.
class worker_host {
 public:
  virtual ~worker_host() = default;

  virtual full_worker_actor::pointer self() = 0;
  virtual step_guard& guard() = 0;
  virtual const worker_life& life() const = 0;
  /// Something has happened in its life. Precondition: it may happen now.
  virtual void lives(life_event event) = 0;
  virtual void announce(wire::member_state state) = 0;
  virtual void report(const char* what, std::vector<telemetry::field> fields = {}) = 0;
  /// For the worker's next life, before it says Reduced.
  virtual void keep(stored_sum sum) = 0;
  /// The engine stands where the guard says: take part from here on. `copy`: and leave one for
  /// others, since what was fetched may be the only state of its stage that is left.
  virtual void serve(std::string weights_hash, bool copy) = 0;
  /// The guard's weights have these names, too, as long as they last.
  virtual void known_as(history_names also) = 0;
  /// This worker cannot follow any more: it was left out of a commit, or the others are at
  /// `wanted`. The last one of its stage goes on, since nobody has anything newer.
  virtual void fall_back(const char* why, weights_id wanted) = 0;
  /// Reports the damage and says it to the sender.
  virtual caf::error damaged(wire::errc fault) = 0;
};

}  // namespace swarm::stage
