#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/ids.hpp"

namespace swarm::training {

/// Bits of a lease's stage mask.
inline constexpr int32_t stages_max = 64;
inline constexpr int64_t microbatches_max = int64_t{1} << 20;
/// A microbatch whose loss or gradient is not finite is tried so often, from its tokens and with
/// whatever workers the routers pick, before all stages drop it: one worker's fault must not cost
/// a microbatch.
inline constexpr uint32_t non_finite_max = 5;

/// One thing for a trainer to do; see schemas::LeaseItem.
struct lease_item {
  uint32_t item = 0;
  microbatch_id microbatch{0};
  uint64_t stages = 0;
  int weight = 1;
  worker_id target;
};

enum class lease_outcome : uint8_t { done, non_finite, returned };

/// What one stage's group sums to.
struct stage_result {
  std::string hash;
  double squared_norm = 0;
};

/// What makes a sum over `counted` microbatches, each divided by the step's number of them, a mean.
double dropped_scale_of(int64_t microbatches, int64_t counted);

/// The ledger of one optimizer step: who was leased what, who holds what, and whether the step may
/// be committed. No actors, no clock.
///
///   computing --all leases settled--> gathering --everybody reported--> reconcile
///   reconcile: clean -> reducing --all groups agree--> committable
///              rework -> computing, in the next round
///   a member lost while reducing -> gathering, in the next round
///
/// Law, checked at every commit in every build: each stage's group holds each microbatch that was
/// not dropped exactly once, and no dropped one.
class step_ledger {
 public:
  enum class phase : uint8_t { computing, gathering, reducing, committable };
  enum class verdict : uint8_t {
    clean,       ///< reduce may start
    rework,      ///< leases are waiting, `to_drop` names sums to forget first
    stage_empty  ///< a stage has nobody: wait for a worker, then gather again
  };

  /// How the step begins: with every microbatch to be leased, or by gathering what the workers hold
  /// already, because another coordinator began it.
  enum class beginning : uint8_t { fresh, adopted };

  step_ledger(step_id step, int64_t microbatches, int32_t stages, beginning how = beginning::fresh);

  step_id step() const { return step_; }
  round_id round() const { return round_; }
  phase now() const { return phase_; }
  int64_t microbatches() const { return microbatches_; }

  // -- leases ---------------------------------------------------------------------------------

  /// The next item for this trainer, if any waits for it. A replay waits for the trainer that did
  /// the microbatch last, which has saved what lets it call one stage alone; for anybody once that
  /// one is gone, has given the microbatch back or has let a lease expire.
  std::optional<lease_item> lease(worker_id trainer, double now_seconds);

  /// False: nobody has that lease any more; the answer changes nothing. A weight of -1 that could
  /// not be done is not tried again: its target has to forget its whole sum.
  bool settle(uint32_t item, lease_outcome outcome, double loss);

  /// Everything this trainer has, and what waits for it, is for anybody.
  void trainer_lost(worker_id trainer);

  /// Leases older than `age_seconds` go back to the queue. Returns how many.
  size_t expire(double now_seconds, double age_seconds);

  size_t leased_to(worker_id trainer) const;
  bool waiting() const { return !queue_.empty() || !reserved_.empty(); }
  bool settled() const { return !waiting() && leased_.empty(); }

  // -- gather ---------------------------------------------------------------------------------

  /// Asks all of `workers`. Precondition: settled, or a reduce failed.
  void open_gather(const std::map<worker_id, stage_id>& workers);

  /// Asks one more, who has come while the others are still answering. False: it is too late, or it
  /// is asked already.
  bool ask_too(worker_id worker, stage_id stage);

  /// False: the set names microbatches that the step does not have, so that the worker's sum is
  /// worth nothing; the worker is still waited for.
  bool report(worker_id worker, round_id round, const std::vector<uint8_t>& held);

  /// Died, silent, or refused: it does not count in this round.
  void worker_lost(worker_id worker);

  bool gathered() const { return phase_ == phase::gathering && awaited_.empty(); }

  /// Compares the reports. Precondition: gathered.
  verdict reconcile();

  /// Workers that must forget their sum before the leases of the new round go out.
  const std::vector<worker_id>& to_drop() const { return to_drop_; }

  // -- reduce and commit ----------------------------------------------------------------------

  /// Members by stage, in worker order: those that reported in the clean round.
  std::vector<std::vector<worker_id>> groups() const;

  /// A member's result. Returns false when it contradicts another member of its stage, or is not
  /// finite: the round has failed and nothing may be committed.
  bool reduced(worker_id worker, round_id round, const std::string& hash, double squared_norm);

  /// A member failed or vanished while reducing; open_gather comes next.
  bool reduce_failed() const { return reduce_failed_; }

  /// Every member of every group has reported one hash per stage. Checks the law, aborts if it is
  /// broken.
  bool committable();

  /// Of the mean gradient over the microbatches that count; the sum runs over stages in order.
  double squared_norm() const;

  /// What makes a sum over all microbatches, each divided by their number, a mean over those that
  /// were not dropped.
  double dropped_scale() const;

  /// Mean loss over the microbatches that count and whose loss is known: an adopted step has
  /// others. Nothing when there is none.
  std::optional<double> mean_loss() const;

  /// Microbatches that count.
  int64_t counted() const { return microbatches_ - static_cast<int64_t>(dropped_.size()); }

  const std::set<microbatch_id>& dropped() const { return dropped_; }
  /// Items leased again because somebody had lost or doubled them.
  size_t reworked() const { return reworked_; }

 private:
  struct lease_state {
    lease_item item;
    worker_id trainer;
    double since_seconds;
  };
  struct holder {
    stage_id stage;
    std::vector<uint8_t> held;
  };

  using stage_holders = std::vector<std::pair<worker_id, const holder*>>;

  static bool holds(const holder& who, int64_t microbatch);
  /// By stage, in worker order.
  std::vector<stage_holders> holders_by_stage() const;
  void enqueue(microbatch_id microbatch, uint64_t stages, int weight, worker_id target);
  std::deque<lease_item>* queue_for(worker_id trainer);
  void not_preferred(worker_id trainer);
  size_t waiting_items() const;
  void give_up(worker_id worker, const std::vector<int64_t>& extra, std::vector<uint64_t>& lacking);
  void check_law() const;
  void check_balance() const;
  uint64_t all_stages() const;

  step_id step_;
  int64_t microbatches_;
  int32_t stages_;
  round_id round_{1};
  phase phase_ = phase::computing;
  uint32_t next_item_ = 0;
  size_t settled_items_ = 0;      ///< or given up, because their target is gone
  std::deque<lease_item> queue_;  ///< for anybody
  std::map<worker_id, std::deque<lease_item>> reserved_;  ///< by trainer; none is empty
  std::map<microbatch_id, worker_id> done_by_;            ///< who has it saved
  std::map<uint32_t, lease_state> leased_;
  std::map<int64_t, double> losses_;
  std::set<microbatch_id> dropped_;
  std::map<microbatch_id, uint32_t> non_finite_;  ///< times
  std::set<worker_id> awaited_;
  std::map<worker_id, stage_id> asked_;
  std::map<worker_id, holder> holders_;
  std::vector<worker_id> to_drop_;
  std::set<worker_id> cannot_undo_;
  std::map<worker_id, stage_result> results_;
  bool reduce_failed_ = false;
  size_t reworked_ = 0;
};

}  // namespace swarm::training
