#include "actors/training/lease_book.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "actors/invariant.hpp"
#include "actors/planted_bug.hpp"

namespace swarm::training {

void lease_book::count(uint64_t stages, int change) {
  for (size_t s = 0; s < pending_.size(); ++s) {
    if ((stages >> s & 1) == 0) continue;
    SWARM_INVARIANT(change > 0 || pending_[s] > 0, "a stage is not left twice");
    pending_[s] = change > 0 ? pending_[s] + 1 : pending_[s] - 1;
  }
}

/// Of the trainer that has it saved: it is through with it, or at other stages.
std::deque<lease_item>& lease_book::best_queue(microbatch_id microbatch) {
  const auto done_by = done_by_.find(microbatch);
  if (done_by != done_by_.end()) return reserved_[done_by->second];
  for (const auto& [item, entry] : out_)
    if (entry.item.microbatch == microbatch && entry.item.weight > 0 && !entry.item.share)
      return reserved_[entry.trainer];
  return queue_;
}

void lease_book::add(microbatch_id microbatch, uint64_t stages, int weight, worker_id target) {
  auto& queue = best_queue(microbatch);
  if (weight > 0) {
    const auto waits = std::find_if(queue.begin(), queue.end(), [&](const lease_item& item) {
      return item.microbatch == microbatch && item.weight > 0 && !item.share;
    });
    if (waits != queue.end()) {
      count(stages & ~waits->stages, 1);
      waits->stages |= stages;
      return;
    }
  }
  queue.push_back({next_item_++, microbatch, stages, weight, target, std::nullopt});
  count(stages, 1);
}

void lease_book::add_for_share(microbatch_id microbatch, const share_of_loss& share,
                               worker_id helper) {
  auto& queue = best_queue(microbatch);
  // The others of the stage wait for it.
  queue.push_front(
      {next_item_++, microbatch, uint64_t{1} << share.stage.value(), 1, helper, share});
}

/// Null: nothing waits for it.
std::deque<lease_item>* lease_book::queue_for(worker_id trainer, uint64_t held_back) {
  const auto has = [&](const std::deque<lease_item>& items) {
    return std::any_of(items.begin(), items.end(),
                       [&](const lease_item& item) { return (item.stages & ~held_back) != 0; });
  };
  const auto own = reserved_.find(trainer);
  if (own != reserved_.end() && has(own->second)) return &own->second;
  return has(queue_) ? &queue_ : nullptr;
}

std::optional<lease_item> lease_book::lease(worker_id trainer, double now_seconds,
                                            uint64_t held_back) {
  auto* queue = queue_for(trainer, held_back);
  if (queue == nullptr) return std::nullopt;
  const auto next = std::find_if(queue->begin(), queue->end(), [&](const lease_item& item) {
    return (item.stages & ~held_back) != 0;
  });
  lease_item item = *next;
  if ((item.stages & held_back) == 0) {
    queue->erase(next);
  } else {
    // One stage's does not wait for another's.
    next->stages &= held_back;
    item.stages &= ~held_back;
    item.item = next_item_++;
  }
  if (queue->empty() && queue != &queue_) reserved_.erase(trainer);
  out_[item.item] = {item, trainer, now_seconds};
  ++out_at_[trainer];
  return item;
}

const lease_book::entry* lease_book::find(uint32_t item) const {
  const auto found = out_.find(item);
  return found == out_.end() ? nullptr : &found->second;
}

void lease_book::stage_done(uint32_t item, stage_id stage) {
  const auto found = out_.find(item);
  if (found == out_.end() || static_cast<size_t>(stage.value()) >= pending_.size()) return;
  const uint64_t bit = uint64_t{1} << stage.value();
  if (found->second.item.share) return;
  auto& left = found->second.item.stages;
  if ((left & bit) == 0) return;
  left &= ~bit;
  count(bit, -1);
}

void lease_book::renew(uint32_t item, double now_seconds) {
  const auto found = out_.find(item);
  if (found != out_.end()) found->second.since_seconds = now_seconds;
}

void lease_book::settle(uint32_t item, std::optional<worker_id> by) {
  const auto found = out_.find(item);
  if (found == out_.end()) return;
  if (by) {
    done_by_[found->second.item.microbatch] = *by;
  } else {
    done_by_.erase(found->second.item.microbatch);
  }
  count(pending_in(found->second.item), -1);
  --out_at_[found->second.trainer];
  out_.erase(found);
  ++settled_items_;
}

/// With the stages that have not answered. All have: only the answer of the whole was lost.
void lease_book::put_back(const lease_item& item, bool in_front) {
  if (item.stages == 0) {
    ++settled_items_;
  } else if (in_front) {
    queue_.push_front(item);
  } else {
    queue_.push_back(item);
  }
}

void lease_book::again(uint32_t item, bool in_front) {
  const auto found = out_.find(item);
  if (found == out_.end()) return;
  done_by_.erase(found->second.item.microbatch);
  put_back(found->second.item, in_front);
  --out_at_[found->second.trainer];
  out_.erase(found);
}

/// What it may have saved is no reason to wait for it.
void lease_book::not_preferred(worker_id trainer) {
  for (auto it = done_by_.begin(); it != done_by_.end();)
    it = it->second == trainer ? done_by_.erase(it) : std::next(it);
  const auto waiting = reserved_.find(trainer);
  if (waiting == reserved_.end()) return;
  queue_.insert(queue_.end(), waiting->second.begin(), waiting->second.end());
  reserved_.erase(waiting);
}

void lease_book::trainer_lost(worker_id trainer) {
  not_preferred(trainer);
  for (auto it = out_.begin(); it != out_.end();) {
    if (it->second.trainer != trainer) {
      ++it;
      continue;
    }
    if (!planted(planted_bug::lease_lost_with_its_trainer)) put_back(it->second.item, false);
    it = out_.erase(it);
  }
  out_at_.erase(trainer);
}

size_t lease_book::expire(double now_seconds, double age_seconds) {
  size_t count = 0;
  std::set<worker_id> silent;
  for (auto it = out_.begin(); it != out_.end();) {
    if (now_seconds - it->second.since_seconds < age_seconds) {
      ++it;
      continue;
    }
    if (!planted(planted_bug::lease_expiry_forgotten)) put_back(it->second.item, false);
    silent.insert(it->second.trainer);
    --out_at_[it->second.trainer];
    it = out_.erase(it);
    ++count;
  }
  for (const auto& trainer : silent)
    not_preferred(trainer);
  return count;
}

void lease_book::drop_items(std::deque<lease_item>& items,
                            const std::function<bool(const lease_item&)>& gone) {
  for (auto it = items.begin(); it != items.end();) {
    if (!gone(*it)) {
      ++it;
      continue;
    }
    count(pending_in(*it), -1);
    ++settled_items_;
    it = items.erase(it);
  }
}

void lease_book::take_back(const std::function<bool(const lease_item&)>& gone) {
  drop_items(queue_, gone);
  for (auto it = reserved_.begin(); it != reserved_.end();) {
    drop_items(it->second, gone);
    it = it->second.empty() ? reserved_.erase(it) : std::next(it);
  }
  for (auto it = out_.begin(); it != out_.end();) {
    if (!gone(it->second.item)) {
      ++it;
      continue;
    }
    count(pending_in(it->second.item), -1);
    ++settled_items_;
    --out_at_[it->second.trainer];
    it = out_.erase(it);
  }
}

void lease_book::target_lost(worker_id target) {
  take_back([&](const lease_item& item) { return item.weight < 0 && item.target == target; });
}

void lease_book::helper_lost(worker_id helper) {
  take_back([&](const lease_item& item) { return item.share && item.target == helper; });
}

void lease_book::withdraw_shares(stage_id stage) {
  take_back([&](const lease_item& item) { return item.share && item.share->stage == stage; });
}

bool lease_book::has_shares(stage_id stage) const {
  const auto is_one = [&](const lease_item& item) {
    return item.share && item.share->stage == stage;
  };
  const auto any_of = [&](const std::deque<lease_item>& items) {
    return std::any_of(items.begin(), items.end(), is_one);
  };
  return any_of(queue_) ||
         std::any_of(reserved_.begin(), reserved_.end(),
                     [&](const auto& entry) { return any_of(entry.second); }) ||
         std::any_of(out_.begin(), out_.end(),
                     [&](const auto& entry) { return is_one(entry.second.item); });
}

size_t lease_book::leased_to(worker_id trainer) const {
  const auto found = out_at_.find(trainer);
  return found == out_at_.end() ? 0 : found->second;
}

size_t lease_book::waiting_items() const {
  size_t count = queue_.size();
  for (const auto& [trainer, items] : reserved_)
    count += items.size();
  return count;
}

void lease_book::check_balance() const {
  SWARM_INVARIANT(settled_items_ + waiting_items() + out_.size() == next_item_,
                  "every item is waiting, leased or settled");
}

}  // namespace swarm::training
