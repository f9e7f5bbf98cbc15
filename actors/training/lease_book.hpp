#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "actors/ids.hpp"

namespace swarm::training {

/// A share of a lost member's microbatches in a stage's all-reduce (schemas::GroupLoss).
struct share_of_loss {
  stage_id stage;
  uint32_t member = 0;
  uint32_t share = 0;

  friend bool operator<(const share_of_loss& a, const share_of_loss& b) {
    return std::tie(a.stage, a.member, a.share) < std::tie(b.stage, b.member, b.share);
  }
};

/// One thing for a trainer to do; see schemas::LeaseItem.
struct lease_item {
  uint32_t item = 0;
  microbatch_id microbatch{0};
  uint64_t stages = 0;
  int weight = 1;
  worker_id target;
  std::optional<share_of_loss> share =
      std::nullopt;  ///< then `target` computes it, and only that one
};

enum class lease_outcome : uint8_t { done, non_finite, returned };

/// Who does what of one step: the items that wait, and those that are out at a trainer, with the
/// stages that have not answered yet. No actors, no clock.
///
///     waiting --lease--> out at a trainer --settle--> settled
///        ^                     |
///        '-- again, expired, trainer lost: with the stages that are left
///
/// Law, checked at every gather: every item is waiting, out, or settled.
class lease_book {
 public:
  struct entry {
    lease_item item;  ///< its stages are those that have not answered yet
    worker_id trainer;
    double since_seconds = 0;
  };

  explicit lease_book(int32_t stages) : pending_(static_cast<size_t>(stages), 0) {}

  /// A new item, or further stages of one of this microbatch that waits: on its way through the
  /// stages it costs the trainer's line once. It waits for the trainer that did the microbatch
  /// last, which has saved what lets it call one stage alone; for anybody when there is none.
  void add(microbatch_id microbatch, uint64_t stages, int weight, worker_id target);

  /// For a share of what a dead member held. It does not keep its stage from gathering: the stage
  /// is reducing already.
  void add_for_share(microbatch_id microbatch, const share_of_loss& share, worker_id helper);
  /// Takes back what is left to do for shares of this stage, or of this helper.
  void withdraw_shares(stage_id stage);
  void helper_lost(worker_id helper);
  /// Some wait, or are out.
  bool has_shares(stage_id stage) const;

  /// The next item for this trainer, if any waits for it, without the stages of `held_back`: those
  /// go on waiting as an item of their own.
  std::optional<lease_item> lease(worker_id trainer, double now_seconds, uint64_t held_back = 0);

  /// Null: nobody has that lease.
  const entry* find(uint32_t item) const;

  /// A stage has answered: it is not asked again for this item.
  void stage_done(uint32_t item, stage_id stage);
  /// It is still being worked on.
  void renew(uint32_t item, double now_seconds);

  /// No stage is left to do. `by` has it saved from now on, unless it is nobody.
  void settle(uint32_t item, std::optional<worker_id> by);
  /// Waits again, for anybody, in front of the others or behind them.
  void again(uint32_t item, bool in_front);

  /// Everything this trainer has, and what waits for it, is for anybody.
  void trainer_lost(worker_id trainer);

  /// Leases older than `age_seconds` go back to the queue. Returns how many.
  size_t expire(double now_seconds, double age_seconds);

  /// Takes back every item with weight -1 for this target: it is gone, and nobody needs to.
  void target_lost(worker_id target);

  size_t leased_to(worker_id trainer) const;
  bool waiting() const { return !queue_.empty() || !reserved_.empty(); }
  size_t waiting_items() const;
  /// Nothing waits or is out that names this stage.
  bool settled(stage_id stage) const { return pending_[static_cast<size_t>(stage.value())] == 0; }

  void check_balance() const;

 private:
  std::deque<lease_item>* queue_for(worker_id trainer, uint64_t held_back);
  std::deque<lease_item>& best_queue(microbatch_id microbatch);
  void not_preferred(worker_id trainer);
  void put_back(const lease_item& item, bool in_front);
  void count(uint64_t stages, int change);
  /// Takes back the items that are `gone`, wherever they are.
  void take_back(const std::function<bool(const lease_item&)>& gone);
  static uint64_t pending_in(const lease_item& item) { return item.share ? 0 : item.stages; }
  void drop_items(std::deque<lease_item>& items,
                  const std::function<bool(const lease_item&)>& gone);

  uint32_t next_item_ = 0;
  size_t settled_items_ = 0;      ///< or taken back, because their target is gone
  std::deque<lease_item> queue_;  ///< for anybody
  std::map<worker_id, std::deque<lease_item>> reserved_;  ///< by trainer; none is empty
  std::map<microbatch_id, worker_id> done_by_;            ///< who has it saved
  std::map<uint32_t, entry> out_;
  std::map<worker_id, size_t> out_at_;  ///< by trainer
  std::vector<size_t> pending_;         ///< by stage: items that name it
};

}  // namespace swarm::training
