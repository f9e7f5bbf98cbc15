#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "actors/stage/pipeline.hpp"
#include "actors/stage/share_book.hpp"
#include "actors/stage/stage_worker.hpp"
#include "actors/stage/worker_base.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::stage {

/// Copies of a Reduce that wait for its end; the oldest is told how far it is instead.
inline constexpr size_t reduce_polls_max = 16;

/// The all-reduce of the round that is frozen, as a serving worker sees it: the orders go on to the
/// averager, each revision once; the result goes to the engine; and whoever asks hears how far it
/// is. Shares that others' deaths give to this worker are collected in the share_book and handed to
/// the averager when they are complete.
class reduction {
 public:
  reduction(worker_host& host, const stage_worker_options& options, pipeline& requests);

  /// Precondition: the guard admits it.
  promise<wire::reduced> order(const wire::reduce& m, promise<wire::reduced> reply);
  /// The sum of this attempt is on its way here, to a member that has no part in it.
  bool awaits(const wire::step_round& when, attempt_id attempt) const;
  /// Whoever waits for it may look again.
  void on_end(std::function<void()> listener) { ended_ = std::move(listener); }
  /// A poll has waited for as long as it said.
  void on_hold(uint64_t poll);
  /// The worker has obeyed this gather: what belongs to earlier rounds is over.
  void gathered(const wire::gather& m);

 private:
  struct poll {
    uint64_t id = 0;
    promise<wire::reduced> reply;
  };

  void begin(attempt_id attempt);
  void assign_shares(const wire::reduce& m);
  void ask_averager(const wire::reduce& m);
  void take(wire::step_round when, uint32_t counted, const tensors::host_tensor& total,
            const std::string& hash);
  void share_complete(share_key which);
  void answer_how_far(promise<wire::reduced> reply);
  template <class Answer>
  void answer_all(const Answer& answer);

  worker_host& host_;
  const stage_worker_options& options_;
  step_guard& guard_;
  pipeline& pipeline_;
  wire::step_round when_;
  bool ordered_ = false;  ///< the averager has an order of this attempt
  bool taking_ = false;   ///< its result is on its way into the engine, or there
  bool contributes_ = true;
  uint32_t revision_ = 0;
  std::vector<poll> polls_;
  std::function<void()> ended_;
  uint64_t last_poll_ = 0;
};

}  // namespace swarm::stage
