#pragma once

#include <deque>
#include <functional>
#include <set>

#include "actors/stage/fetcher.hpp"
#include "actors/stage/stage_worker.hpp"
#include "actors/stage/worker_base.hpp"

namespace swarm::stage {

/// Orders to go back that wait for its end; the oldest is answered with how far it is.
inline constexpr size_t restore_repeats_max = 16;

/// How a worker goes back to earlier weights when the coordinator says so (schemas/step.capnp,
/// Restore): with a copy of its own process, else with one that it fetches from the holders'
/// replicators, and from workers of its stage that are fetching it, too.
///
///   order --copy here--> import --> serve, answer with where it stands
///     '--> shards, straight into the engine --'
///     '--> nobody has it: refuse; the worker fetches as a joiner does
///
/// An order for the weights that are being fetched already joins, whatever its term and however
/// often it comes: the download goes on. The weights are of the history that the last of them
/// begins.
class restorer final : private fetch_listener {
 public:
  restorer(worker_host& host, const stage_worker_options& options);

  /// Precondition: the guard obeys the order's term, and the worker's life is restoring. `failed`
  /// when there is no such copy.
  void start(const wire::restore& m, std::function<void()> failed, promise<wire::position> reply);
  /// True if it is under way already; then this one is answered, too.
  bool joins(const wire::restore& m, promise<wire::position> reply);

  void on_roster(const wire::roster_update& update);
  void on_wake() { fetch_.on_wake(); }

  /// For others who fetch the same.
  const download* fetched() const { return fetch_.active() ? &fetch_.machine() : nullptr; }
  const last_commit& made_by() const { return commit_; }

 private:
  void on_shard(size_t shard, worker_id from, const wire::state_chunk& m) override;
  void on_change() override;

  bool import_own();
  void import(const stored_state& own, bool kept);
  void fetch();
  void finish();
  void ready(const std::string& hash, bool copy);
  void refuse();
  void give_up();

  worker_host& host_;
  const stage_worker_options& options_;
  fetcher<full_worker_actor::base> fetch_;
  std::map<worker_id, caf::actor> replicators_;
  std::map<worker_id, caf::actor> mates_;  ///< of its stage that do not serve
  bool active_ = false;
  weights_id wanted_;
  history_id begins_;  ///< what is made of the weights from here on
  last_commit commit_;
  history_names also_;
  std::set<worker_id> holders_;
  bool finishing_ = false;
  std::function<void()> failed_;
  std::deque<promise<wire::position>> replies_;
};

}  // namespace swarm::stage
