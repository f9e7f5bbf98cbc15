#pragma once

#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "actors/stage/stage_worker.hpp"
#include "actors/stage/state_transfer.hpp"
#include "actors/stage/worker_base.hpp"

namespace swarm::stage {

/// How a worker goes back to an earlier version when the coordinator says so (schemas/step.capnp,
/// Restore): with a copy of its own process, else with one that a holder's steward has.
///
///   order --copy here--> import --> serve, answer with where it stands
///     '--> chunks from one holder after the other --'
///     '--> nobody has it: refuse; the worker fetches as a joiner does
class restorer {
 public:
  restorer(worker_host& host, const stage_worker_options& options)
      : host_(host), options_(options) {}

  bool active() const { return active_; }

  /// Precondition: the guard obeys the order's term, and the worker does not serve. `failed` when
  /// there is no such copy.
  void start(const wire::restore& m, std::function<void()> failed, promise<wire::standing> reply);
  /// True if it is under way already; then this one is answered, too.
  bool repeats(const wire::restore& m, promise<wire::standing>& reply);

  void on_roster(const wire::roster_update& update);
  void clear();

 private:
  void look_elsewhere();
  void ask_chunk();
  void on_chunk(const wire::state_chunk& m);
  void import(const tensors::host_tensor& state, const last_commit& commit);
  void refuse();
  void give_up();

  worker_host& host_;
  const stage_worker_options& options_;
  std::map<worker_id, wire::steward_actor> stewards_;
  bool active_ = false;
  uint64_t generation_ = 0;  ///< of questions; an answer to an earlier one is late
  step_id version_{0};
  std::deque<worker_id> holders_;  ///< yet to be asked, the one being asked first
  state_assembly assembly_;
  std::function<void()> failed_;
  std::vector<promise<wire::standing>> replies_;
};

}  // namespace swarm::stage
