#pragma once

#include <optional>
#include <string>

#include "actors/stage/follow_log.hpp"
#include "actors/stage/stage_worker.hpp"
#include "actors/stage/state_fetch.hpp"
#include "actors/stage/worker_base.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::stage {

/// A download that only finds older versions than the one it needs is taken all the same after so
/// many attempts: then nobody has anything newer.
inline constexpr uint32_t old_versions_max = 8;
/// Attempts after the second double their distance this often.
inline constexpr uint32_t fetch_backoffs_max = 5;

/// How a worker comes by its stage's state:
///
///   listen --> fetch chunks of version v --all there--> apply the steps followed since v --> serve
///      '-- from here on: follow the all-reduce of each step with weight zero
///
/// So a download may last longer than a step, and a step shorter than a question to the donor: it
/// is listed for the all-reduces before it asks. Whoever misses a step of the followed ones starts
/// the download again at a newer version, and goes on listening. Without a donor it waits, and says
/// so. Two steps would be missed for nothing at the end, and are waited for:
///
///     order to reduce v -> state v is there -> the sum of v comes      (serves with it)
///     order to reduce v -> state v is there -> the sum never comes     (serves after
///     chunk_timeout)
class joiner {
 public:
  joiner(worker_host& host, const stage_worker_options& options) : host_(host), options_(options) {}

  bool has_donors() const { return fetch_.has_donors(); }
  bool following() const { return following_; }

  /// Begins to fetch a state of at least version `wanted`. `has_state`: the engine stands where the
  /// guard says; with nobody to fetch from, the worker goes on from there.
  void start(bool has_state, step_id wanted);

  /// What the last life left, if it left anything.
  bool resume();

  /// Gives up the download under way, until the next start.
  void stop();

  void on_roster(const wire::roster_update& update);
  void on_fetch();

  /// Orders of the coordinator to a follower.
  void on_reduce(const wire::reduce& m, promise<wire::reduced> reply);
  void on_commit(const wire::commit& m, promise<wire::committed> reply);

  void clear();

 private:
  using question = state_fetch<wire::stage_worker_actor>::question;

  void fetch_later(const char* why, bool resumable = false);
  void ask_chunk(const question& asked);
  void on_chunk(const question& asked, const wire::state_chunk& m);
  void listen();
  void follow(step_id version, const last_commit& made_by);
  /// It has no sum of a step before `step`, and from there on it may have all.
  void miss_until(step_id step);
  void take_part(const wire::reduce& m, wire::epoch when, promise<wire::reduced> reply);
  void reduce_ended();
  bool waits_for_sum(step_id version);
  void go_on_if_finished();
  void import(step_id version, const tensors::host_tensor& state, const last_commit& made_by);
  void catch_up(step_id version);
  void apply(step_id version, const follow_log::entry& step);
  void go_on_alone();
  void done(step_id version);

  worker_host& host_;
  const stage_worker_options& options_;
  state_fetch<wire::stage_worker_actor> fetch_;
  follow_log log_;
  bool active_ = false;
  bool following_ = false;
  bool importing_ = false;
  std::optional<step_id> first_;     ///< the log has every sum from here on
  std::optional<step_id> base_;      ///< of the state that is on its way, or in the engine
  size_t reducing_ = 0;              ///< orders that the averager has not answered
  std::optional<step_id> finished_;  ///< the engine is there, and one of those sums may come
  std::optional<caf::actor_clock::time_point> patience_ends_;
  // What the engine has, if it has anything.
  std::optional<step_id> standing_;
  last_commit commit_;
  reduced_sum sum_;
  std::string weights_hash_;  ///< of the engine, as far as this joiner put it there
  step_id wanted_;
  uint32_t old_versions_ = 0;
  uint32_t failures_ = 0;
  int64_t followed_ = 0;     ///< steps applied after the download
  uint64_t generation_ = 0;  ///< of imports: a restarted download ignores the old one's answers
};

}  // namespace swarm::stage
