#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "actors/ids.hpp"
#include "actors/training/group_repair.hpp"
#include "actors/training/held_bitmap.hpp"

namespace swarm::training {

/// What one stage's group sums to.
struct stage_result {
  std::string hash;
  double squared_norm = 0;

  friend bool operator==(const stage_result& a, const stage_result& b) {
    return a.hash == b.hash && a.squared_norm == b.squared_norm;
  }
};

/// One stage's part of a step: who holds which microbatches, and what the group sums to. A stage is
/// its own round: what it has reduced is a fact, whoever dies at another stage. No actors, no
/// clock.
///
///     computing --gather--> gathering --all have answered, each microbatch held once--> reducing
///         ^                  |     ^                                                     |   |
///         |                  |     '-- a member lost, results that differ: next round ---'   |
///         '--- rework -------'     ^                                                         v
///                                  '---- all who had it lost, or a microbatch dropped --- reduced
///
/// | event \ phase | computing | gathering | reducing | reduced |
/// |---|---|---|---|---|
/// | open_gather | gathering | gathering, next round | gathering, next round | gathering, next |
/// | ask_too | false | asked, too | false | false |
/// | report | ignored | taken | ignored | ignored |
/// | lost | ignored | does not count | repaired or failed, if a member | failed, if the last with
/// it |
/// | reconcile | invariant | reducing, computing or as it was | invariant | invariant |
/// | reduced | ignored | ignored | taken; all agree: reduced; else failed | ignored |
/// | reopen | ignored | ignored | failed | failed |
///
/// `failed` asks for open_gather. A member that is lost while reducing fails the round only where
/// it cannot be repaired (group_repair): its microbatches are computed again by others, and the
/// all-reduce goes on.
class stage_round {
 public:
  enum class phase : uint8_t { computing, gathering, reducing, reduced };
  enum class verdict : uint8_t {
    clean,   ///< reduce may start
    rework,  ///< what is lacking has to be computed, what is extra given up
    empty    ///< the stage has nobody: wait for a worker, then gather again
  };

  /// What the reports come to.
  struct findings {
    verdict what = verdict::clean;
    std::vector<int64_t> lacking;                       ///< nobody holds these
    std::map<worker_id, std::vector<int64_t>> to_undo;  ///< one by one, at this worker
    std::vector<worker_id> to_drop;                     ///< these forget their whole sum
  };

  explicit stage_round(int64_t microbatches) : microbatches_(microbatches) {}

  phase now() const { return phase_; }
  /// Of the last gather; 0: none yet.
  round_id round() const { return round_; }
  /// Gathers so far.
  uint32_t gathers() const { return gathers_; }

  /// Asks all of `workers`. Precondition: `round` is above the last one.
  void open_gather(round_id round, const std::set<worker_id>& workers);
  /// Asks one more, who has come while the others are still answering.
  bool ask_too(worker_id worker);
  /// False: the set names microbatches that the step does not have, so that the worker's sum is
  /// worth nothing; the worker is still waited for.
  bool report(worker_id worker, round_id round, const held_bitmap& held);
  bool gathered() const { return phase_ == phase::gathering && awaited_.empty(); }
  /// Precondition: gathered.
  findings reconcile(const std::set<microbatch_id>& dropped);

  /// Died, silent, or refused: it does not count in this round.
  void lost(worker_id worker);
  /// This worker could not give a microbatch up: the next time it forgets its whole sum.
  void cannot_undo(worker_id worker) { cannot_undo_.insert(worker); }
  /// A microbatch that is in the sum is dropped by all stages.
  void reopen();

  /// In worker order: those that reported in the clean round.
  std::vector<worker_id> members() const;
  bool holds(microbatch_id microbatch) const;

  /// Of the all-reduce under way: losses, and what they ask for.
  const group_repair& repair() const { return repair_; }
  std::vector<group_repair::task> take_tasks() { return repair_.take_tasks(); }

  /// A member's result. False: it contradicts another member, or is not finite: the round has
  /// failed.
  bool reduced(worker_id worker, round_id round, const stage_result& result);
  bool failed() const { return failed_; }
  /// Precondition: reduced.
  const stage_result& result() const { return result_; }

  /// Each microbatch that was not dropped is in the sum exactly once, and no dropped one.
  void check_law(const std::set<microbatch_id>& dropped) const;

 private:
  void give_up(worker_id worker, std::vector<int64_t> extra, findings& out) const;

  void lost_while_reducing(worker_id worker);

  int64_t microbatches_;
  group_repair repair_;
  phase phase_ = phase::computing;
  round_id round_{0};
  uint32_t gathers_ = 0;
  std::set<worker_id> awaited_;
  std::set<worker_id> asked_;
  std::map<worker_id, held_bitmap> holders_;  ///< who reported, and what it holds
  std::set<worker_id> cannot_undo_;
  std::set<worker_id> awaiting_result_;
  std::set<worker_id> have_result_;
  stage_result result_;
  bool failed_ = false;
};

}  // namespace swarm::training
