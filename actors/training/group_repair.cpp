#include "actors/training/group_repair.hpp"

#include <algorithm>
#include <utility>

#include "actors/invariant.hpp"

namespace swarm::training {

namespace {

/// The microbatches of `held`, dealt in turn.
std::vector<held_bitmap> dealt(const held_bitmap& held, size_t ways) {
  std::vector<held_bitmap> result(ways, held_bitmap(held.size()));
  size_t turn = 0;
  for (int64_t m = 0; m < static_cast<int64_t>(held.size() * 8); ++m) {
    if (!holds(held, m)) continue;
    auto& byte = result[turn++ % ways][static_cast<size_t>(m / 8)];
    byte = static_cast<uint8_t>(byte | 1U << (m % 8));
  }
  return result;
}

size_t count(const held_bitmap& held) {
  size_t result = 0;
  for (const uint8_t byte : held)
    result += static_cast<size_t>(__builtin_popcount(byte));
  return result;
}

}  // namespace

group_repair::group_repair(const std::map<worker_id, held_bitmap>& held) {
  for (const auto& [worker, microbatches] : held) {
    members_.push_back(worker);
    held_.push_back(microbatches);
  }
}

std::optional<uint32_t> group_repair::index_of(worker_id worker) const {
  const auto found = std::lower_bound(members_.begin(), members_.end(), worker);
  if (found == members_.end() || *found != worker) return std::nullopt;
  return static_cast<uint32_t>(found - members_.begin());
}

/// Whoever has the least to do for others.
std::optional<worker_id> group_repair::free_helper() const {
  std::optional<worker_id> best;
  size_t least = helper_shares_max;
  for (const auto& member : members_) {
    if (lost_.count(member) != 0) continue;
    const auto found = helps_.find(member);
    const size_t shares = found == helps_.end() ? 0 : found->second;
    if (shares >= least) continue;
    best = member;
    least = shares;
  }
  return best;
}

size_t group_repair::free_helpers() const {
  return static_cast<size_t>(
      std::count_if(members_.begin(), members_.end(), [this](const auto& member) {
        const auto found = helps_.find(member);
        return lost_.count(member) == 0 &&
               (found == helps_.end() || found->second < helper_shares_max);
      }));
}

void group_repair::ask_for(const loss& of, uint32_t share) {
  const auto& what = of.shares[share];
  for (int64_t m = 0; m < static_cast<int64_t>(what.microbatches.size() * 8); ++m)
    if (holds(what.microbatches, m))
      tasks_.push_back({what.helper, microbatch_id{m}, of.member, share});
}

bool group_repair::cut(uint32_t member) {
  loss added;
  added.member = member;
  const size_t microbatches = count(held_[member]);
  const size_t free = free_helpers();
  if (microbatches > 0 && free == 0) return false;
  const size_t helpers = std::max(free / free_per_helper, std::min<size_t>(free, 2));
  const size_t pieces = std::min({loss_pieces_max, microbatches, helpers});
  if (pieces > 0)
    added.slices = std::clamp<size_t>(free / free_per_helper / pieces, 1, loss_slices_max);
  for (const auto& piece : dealt(held_[member], pieces))
    for (size_t i = 0; i < added.slices; ++i) {
      const auto helper = *free_helper();
      ++helps_[helper];
      added.shares.push_back({helper, piece});
    }
  losses_.push_back(std::move(added));
  for (uint32_t i = 0; i < losses_.back().shares.size(); ++i)
    ask_for(losses_.back(), i);
  return true;
}

bool group_repair::replace_helper(worker_id gone) {
  for (auto& each : losses_) {
    for (uint32_t i = 0; i < each.shares.size(); ++i) {
      if (each.shares[i].helper != gone) continue;
      const auto helper = free_helper();
      if (!helper) return false;
      ++helps_[*helper];
      each.shares[i].helper = *helper;
      ask_for(each, i);
    }
  }
  return true;
}

bool group_repair::lose(worker_id worker) {
  const auto member = index_of(worker);
  SWARM_INVARIANT(member && !is_lost(worker), "a member is lost once");
  lost_.insert(worker);
  ++revision_;
  const auto is_for_the_lost = [&](const task& each) { return each.helper == worker; };
  tasks_.erase(std::remove_if(tasks_.begin(), tasks_.end(), is_for_the_lost), tasks_.end());
  if (lost_.size() + 1 >= members_.size() || 2 * lost_.size() > members_.size()) return false;
  return cut(*member) && replace_helper(worker);
}

std::vector<group_repair::task> group_repair::take_tasks() {
  return std::exchange(tasks_, {});
}

}  // namespace swarm::training
