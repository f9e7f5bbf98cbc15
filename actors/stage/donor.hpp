#pragma once

#include <functional>
#include <optional>

#include "actors/stage/stage_worker.hpp"
#include "actors/stage/worker_base.hpp"

namespace swarm::stage {

/// What a worker gives away of its state: to those who fetch it, from snapshots of what the engine
/// has now, and to the store and the vault.
class donor {
 public:
  donor(worker_host& host, const stage_worker_options& options) : host_(host), options_(options) {}

  void answer(const wire::state_request& m, promise<wire::state_chunk> reply);

  /// Leaves the state for this worker's next life and, if asked to, for others; then goes on.
  void leave(bool for_others, std::function<void()> then);

  std::optional<step_id> kept() const {
    return options_.store ? options_.store->kept() : std::nullopt;
  }
  /// What the commit says of everybody's disks.
  void pin(const wire::commit& m);

  /// Leaves a sum for this worker's next life.
  void keep(stored_sum sum);

  void clear() { snapshots_ = {}; }

 private:
  /// A worker that went back makes its later versions anew, and not always the same.
  void forget_given_up();
  /// What the store says of its promise now, if that is news.
  void report_promise();
  void send_chunk(step_id version, uint64_t offset, promise<wire::state_chunk> reply);

  worker_host& host_;
  const stage_worker_options& options_;
  snapshot_store snapshots_;
  // Of the newest snapshot.
  step_id newest_;
  attempt_id made_by_;
  uint64_t told_ = 0;  ///< of what the store says
};

}  // namespace swarm::stage
