#pragma once

#include <functional>
#include <optional>
#include <utility>

#include "actors/stage/download.hpp"
#include "actors/stage/replies.hpp"
#include "actors/stage/stage_worker.hpp"
#include "actors/stage/worker_base.hpp"

namespace swarm::stage {

/// What a worker gives away of its state: shards to those who fetch it, each at the weights that
/// the engine has when it answers, and copies to the store and the snapshots. Nothing is kept for
/// who asks.
class donor {
 public:
  donor(worker_host& host, const stage_worker_options& options) : host_(host), options_(options) {}

  /// Precondition: the worker serves.
  void answer(const wire::state_request& m, promise<wire::state_chunk> reply);
  /// Of a worker that is fetching the same weights itself: what has come so far.
  void answer_from(const download& fetched, const last_commit& made_by,
                   const wire::state_request& m, promise<wire::state_chunk> reply);

  /// Whether the guard's weights are these, under any of their names.
  bool has(weights_id wanted) const {
    const auto weights = host_.guard().weights();
    return fits(wanted, weights) || is_name(wanted);
  }

  /// Leaves the state for this worker's next life and, if asked to, for others; then goes on.
  void leave(bool for_others, std::function<void()> then);

  std::optional<step_id> kept() const {
    return options_.store ? options_.store->kept() : std::nullopt;
  }
  /// What the commit says of everybody's disks.
  void pin(const wire::commit& m);

  /// The guard's weights have these names, too, as long as they last.
  void known_as(history_names also) { also_ = {host_.guard().weights(), std::move(also)}; }
  history_names names() const {
    return also_.first == host_.guard().weights() ? also_.second : history_names{};
  }

  /// Leaves a sum for this worker's next life.
  void keep(stored_sum sum);

 private:
  bool is_name(weights_id wanted) const {
    return wanted.version == host_.guard().version() && has_name(names(), wanted.history);
  }
  void leave_copies(bool for_others, const std::function<void()>& then);
  /// What the store says of its promise now, if that is news.
  void report_promise();
  /// With what the engine has of these elements by now, if it is still good for it then.
  void send(const shard_reply& about, uint64_t count, promise<wire::state_chunk> reply);
  void send_of(uint64_t total, const wire::state_request& m, shard_reply about,
               promise<wire::state_chunk> reply);

  worker_host& host_;
  const stage_worker_options& options_;
  uint64_t elements_ = 0;                      ///< of the engine; 0: not asked yet
  uint64_t told_ = 0;                          ///< of what the store says
  std::pair<weights_id, history_names> also_;  ///< of the first, these are other names
};

}  // namespace swarm::stage
