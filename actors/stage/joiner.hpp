#pragma once

#include <optional>
#include <string>
#include <vector>

#include "actors/stage/fetcher.hpp"
#include "actors/stage/joining_turn.hpp"
#include "actors/stage/stage_worker.hpp"
#include "actors/stage/worker_base.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::stage {

/// Donors that have only older weights than the one that it needs are believed after so many
/// answers in a row: then nobody has anything newer.
inline constexpr uint32_t old_answers_max = 8;
/// A joiner whose turn does not come, since whoever is ahead of it neither gets in nor dies, begins
/// all the same after so many times the patience with a donor.
inline constexpr int turn_patience = 120;

/// How a worker comes by its stage's state:
///
///   listen --its turn--> fetch shards, each at its donor's weights --all at the same--> serve
///      '-- from here on: follow the all-reduce of each step with weight zero, and carry each
///          step that is committed out on the shards that stand where it begins
///
/// So a download may last longer than a step, and a step shorter than a question to the donor: it
/// is listed for the all-reduces before it asks. A shard that has missed a step is asked for again;
/// the others stay. Shards go straight into the engine: nothing is kept beside it but one step's
/// result. Without a donor it waits, and says so.
///
/// What it follows is the guard's version. Interleavings that it bears:
///
///   1. a shard comes at v; Reduce, Commit of v come: it is at v + 1
///   2. Reduce of v has come, its Commit has not; a shard comes at v + 1, since the donor has had
///      the commit: it stays as it is, and the commit finds the others at v
///   3. as 2, but the commit never comes, or the order to reduce v never came: the guard goes on
///      to v + 1 with the shard, or with the next order, and the shards at v are asked for again
///   4. all shards are here at v, and the order to reduce v has come, its sum has not: it waits for
///      the sum, `chunk_timeout` at most, since it would have to fetch all again at the commit
///   5. all shards are here at v + 1 when 2: it serves at once; the commit of v is a repeat to it
///   6. the group has reduced v and commits, and this one's sum is still coming, over the line that
///      it shares with the state: the commit waits for the sum, until the next order to reduce
///
/// When the first shard is in the engine what was there before is gone: from then on it cannot go
/// on alone with what it had.
class joiner final : private fetch_listener {
 public:
  joiner(worker_host& host, const stage_worker_options& options);

  bool has_donors() const { return fetch_.has_donors(); }

  /// Begins to fetch weights that are not older than `wanted`. `has_state`: the engine stands where
  /// the guard says; with nobody to fetch from, the worker goes on from there. Precondition: the
  /// worker's life is waiting.
  void start(bool has_state, weights_id wanted);

  /// What the last life left, if it left anything.
  bool resume();

  /// Gives up the download under way, until the next start.
  void stop();

  void on_roster(const wire::roster_update& update);
  void on_wake();

  /// Orders of the coordinator to a follower.
  void on_reduce(const wire::reduce& m, promise<wire::reduced> reply);
  void on_commit(const wire::commit& m, promise<wire::committed> reply);

  /// For others who fetch the same.
  const download* fetched() const { return fetch_.active() ? &fetch_.machine() : nullptr; }
  const last_commit& made_by() const { return newest_commit_; }

 private:
  /// The result of a step that is not committed yet.
  struct open_step {
    reduced_sum sum;
    tensors::host_tensor total;
  };

  void on_shard(size_t shard, worker_id from, const wire::state_chunk& m) override;
  void on_change() override;

  void begin();
  void look();
  bool is_its_turn();
  void step_back();
  void require(weights_id floor);
  void forget_sum();
  void adopt(weights_id weights, const last_commit& made_by, history_names also);
  bool mid_step() const { return reducing_ > 0 || open_.has_value(); }
  /// It has no part in a step before `step`.
  void miss_until(step_id step, const char* why);
  void take_part(const wire::reduce& m, wire::step_round when, promise<wire::reduced> reply);
  void reduce_ended();
  void share_line();
  void took_too_much();
  /// The sum that it names is still on its way here.
  bool comes_too_early(const wire::step_round& when, attempt_id attempt);
  void refuse_early_commit();
  void apply(double scale);
  bool patient();
  void finish(weights_id weights);
  void put_in_sum(weights_id weights, uint64_t finish);
  void go_on_alone();
  void done();
  void report_progress();

  worker_host& host_;
  const stage_worker_options& options_;
  fetcher<full_worker_actor::base> fetch_;
  uint64_t elements_ = 0;  ///< of the engine; 0: not asked yet
  std::optional<open_step> open_;
  size_t reducing_ = 0;                  ///< orders that the averager has not answered
  std::optional<size_t> sum_shards_;     ///< while a sum is coming; nothing: none was here yet
  size_t too_many_shards_ = ~size_t{0};  ///< the fewest with which one was missed
  /// It waits for its sum.
  struct early_commit {
    wire::commit order;
    promise<wire::committed> reply;
  };
  std::optional<early_commit> early_;
  std::optional<caf::actor_clock::time_point> patience_ends_;
  uint64_t finishes_ = 0;  ///< an answer to an earlier one is late
  // Of the newest shard that has come.
  std::optional<weights_id> newest_;
  last_commit newest_commit_;
  history_names also_;
  bool shard_has_come_ = false;
  // What the engine has, as long as no shard has come.
  std::optional<weights_id> position_;
  last_commit commit_;
  reduced_sum sum_;
  std::string weights_hash_;  ///< of the engine, as far as this joiner put it there
  weights_id wanted_;
  int64_t followed_ = 0;  ///< steps carried out while fetching
  double told_s_ = 0;     ///< when it last said how far it is
  bool alone_told_ = false;
  joining_turn turn_;
  std::optional<caf::actor_clock::time_point> turn_ends_;  ///< it waits for its turn until then
  bool impatient_ = false;                                 ///< it has begun before its turn
};

}  // namespace swarm::stage
