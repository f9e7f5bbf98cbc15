#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "actors/ids.hpp"
#include "actors/limits.hpp"
#include "actors/training/lease_book.hpp"
#include "actors/training/stage_round.hpp"

namespace swarm::training {

/// A microbatch whose loss or gradient is not finite is tried so often, from its tokens and with
/// whatever workers the routers pick, before all stages drop it: one worker's fault must not cost
/// a microbatch.
inline constexpr uint32_t non_finite_max = 5;
/// Of one share, which a helper could not compute so far: then the stage's round begins again.
inline constexpr uint32_t share_returns_max = 16;

/// What makes a sum over `counted` microbatches, each divided by the step's number of them, a mean.
double dropped_scale_of(int64_t microbatches, int64_t counted);

/// The ledger of one optimizer step: who was leased what (lease_book), what each stage holds and
/// has reduced (stage_round), and whether the step may be committed. No actors, no clock.
///
/// Stages do not wait for each other: each is gathered and reduced as soon as everything that was
/// leased for it is answered, and what it has reduced is a fact, whatever becomes of the others.
/// Every gather closes a round of its stage, and leases carry a round above those that are closed
/// at the stages that they name.
///
/// Law, checked at every commit in every build: each stage's group holds each microbatch that was
/// not dropped exactly once, and no dropped one.
class step_ledger {
 public:
  /// How the step begins: with every microbatch to be leased, or by gathering what the workers hold
  /// already, because another coordinator began it.
  enum class beginning : uint8_t { fresh, adopted };

  step_ledger(step_id step, int64_t microbatches, int32_t stages, beginning how = beginning::fresh);

  step_id step() const { return step_; }
  int64_t microbatches() const { return microbatches_; }
  int32_t stages() const { return static_cast<int32_t>(rounds_.size()); }
  /// That leases carry.
  round_id round() const { return round_; }

  // -- leases ---------------------------------------------------------------------------------

  /// The next item for this trainer, if any waits for it. Stages whose workers still have to forget
  /// a sum are not leased for (`hold_back`). Of an adopted step nothing is, before every stage has
  /// been reconciled once: what several of them lack goes through the stages together.
  std::optional<lease_item> lease(worker_id trainer, double now_seconds);

  /// False: nobody has that lease any more; the answer changes nothing. A weight of -1 that could
  /// not be done is not tried again: its target has to forget its whole sum.
  bool settle(uint32_t item, lease_outcome outcome, double loss);
  /// A trainer says who answered for these stages. It is not the truth, which workers report, but
  /// it is known as soon as one of them dies.
  void answered_by(uint32_t item, uint64_t stages, worker_id worker);
  /// What this worker held at stages that are still computing waits to be leased again, so that it
  /// need not be found lacking at the gather.
  void recompute(worker_id gone);
  /// These stages have answered, and the rest is being worked on.
  void progressed(uint32_t item, uint64_t stages, double now_seconds);

  /// Everything this trainer has, and what waits for it, is for anybody.
  void trainer_lost(worker_id trainer) { book_.trainer_lost(trainer); }
  /// Leases without progress for `age_seconds` go back to the queue. Returns how many.
  size_t expire(double now_seconds, double age_seconds) {
    return book_.expire(now_seconds, age_seconds);
  }

  std::optional<worker_id> trainer_of(uint32_t item) const;
  /// That the item is for, if any.
  std::optional<share_of_loss> share_of(uint32_t item) const;
  /// Microbatches of members that have died are being computed again for this stage's all-reduce.
  bool computes_shares(stage_id stage) const { return book_.has_shares(stage); }
  size_t leased_to(worker_id trainer) const { return book_.leased_to(trainer); }
  bool waiting() const { return book_.waiting(); }

  // -- gather ---------------------------------------------------------------------------------

  stage_round::phase now(stage_id stage) const { return at(stage).now(); }
  /// Of the stage's last gather: what orders to its workers carry.
  round_id round(stage_id stage) const { return at(stage).round(); }
  /// Everything that was leased for the stage is answered and nobody has a sum to forget, or its
  /// reduce has failed: open_gather comes next.
  bool wants_gather(stage_id stage) const;

  /// Asks all of `workers`. Precondition: wants_gather, or the stage was empty.
  void open_gather(stage_id stage, const std::set<worker_id>& workers);
  /// Asks one more, who has come while the others are still answering. False: it is too late, or it
  /// is asked already.
  bool ask_too(worker_id worker, stage_id stage);
  /// False: the set names microbatches that the step does not have, so that the worker's sum is
  /// worth nothing; the worker is still waited for.
  bool report(worker_id worker, round_id round, const std::vector<uint8_t>& held);
  /// Died, silent, or refused: it does not count in this round of its stage.
  void worker_lost(worker_id worker);
  bool gathered(stage_id stage) const { return at(stage).gathered(); }

  /// Compares the reports. Precondition: gathered. What has to be done again waits to be leased.
  stage_round::verdict reconcile(stage_id stage);
  /// Of the last reconcile: workers that must forget their sum before the stage is leased for.
  const std::vector<worker_id>& to_drop(stage_id stage) const {
    return to_drop_[static_cast<size_t>(stage.value())];
  }
  /// It has, or will not.
  void forgot(worker_id worker);

  // -- reduce and commit ----------------------------------------------------------------------

  /// In worker order: those that reported in the stage's clean round.
  std::vector<worker_id> group(stage_id stage) const { return at(stage).members(); }

  /// Losses of the stage's all-reduce under way; a higher revision is to be told to its members.
  const group_repair& repair(stage_id stage) const { return at(stage).repair(); }
  const stage_result& result(stage_id stage) const { return at(stage).result(); }

  /// A member's result. Returns false when it contradicts another member of its stage, or is not
  /// finite: the stage's round has failed.
  bool reduced(worker_id worker, round_id round, const std::string& hash, double squared_norm);
  bool reduce_failed(stage_id stage) const { return at(stage).failed(); }

  /// Every stage has reduced. Checks the law, aborts if it is broken.
  bool committable() const;

  /// Of the mean gradient over the microbatches that count; the sum runs over stages in order.
  double squared_norm() const;

  /// What makes a sum over all microbatches, each divided by their number, a mean over those that
  /// were not dropped.
  double dropped_scale() const { return dropped_scale_of(microbatches_, counted()); }

  /// Mean loss over the microbatches that count and whose loss is known: an adopted step has
  /// others. Nothing when there is none.
  std::optional<double> mean_loss() const;

  /// Microbatches that count.
  int64_t counted() const { return microbatches_ - static_cast<int64_t>(dropped_.size()); }

  const std::set<microbatch_id>& dropped() const { return dropped_; }
  /// Items leased again because somebody had lost or doubled them.
  size_t reworked() const { return reworked_; }
  /// Gathers of the stage that needed most.
  uint32_t gathers() const;

 private:
  stage_round& at(stage_id stage) { return rounds_[static_cast<size_t>(stage.value())]; }
  const stage_round& at(stage_id stage) const {
    return rounds_[static_cast<size_t>(stage.value())];
  }
  void drop(microbatch_id microbatch);
  void settle_share(const lease_item& what, lease_outcome outcome, worker_id trainer);
  void check_law() const;

  step_id step_;
  int64_t microbatches_;
  round_id round_{1};
  lease_book book_;
  std::set<stage_id> unseen_;  ///< of an adopted step: not reconciled yet
  std::vector<stage_round> rounds_;
  std::vector<std::vector<worker_id>> to_drop_;  ///< by stage
  std::map<worker_id, stage_id> stage_of_;       ///< of everybody asked
  std::map<int64_t, double> losses_;
  std::set<microbatch_id> dropped_;
  std::map<microbatch_id, uint32_t> non_finite_;     ///< times
  std::map<share_of_loss, uint32_t> share_returns_;  ///< in the stage's round
  size_t reworked_ = 0;
  std::map<worker_id, std::set<std::pair<stage_id, microbatch_id>>> held_by_;  ///< as trainers say
};

}  // namespace swarm::training
