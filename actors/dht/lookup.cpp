#include "actors/dht/lookup.hpp"

#include <algorithm>
#include <utility>

#include "actors/invariant.hpp"

namespace swarm::dht {

lookup::lookup(const node_id& own, const node_id& target, lookup_mode mode,
               const std::vector<contact>& start, lookup_options options)
    : own_(own), target_(target), mode_(mode), options_(options) {
  SWARM_INVARIANT(options_.alpha > 0 && options_.settled_by > 0, "somebody is asked");
  options_.settled_by = std::min(options_.settled_by, options_.k);
  for (const auto& who : start)
    learn(who, 1);
  trim();
}

lookup::candidate* lookup::find(const node_id& id) {
  const auto found = std::find_if(candidates_.begin(), candidates_.end(),
                                  [&](const candidate& c) { return c.who.id == id; });
  return found == candidates_.end() ? nullptr : &*found;
}

void lookup::learn(const contact& who, uint32_t depth) {
  if (who.id == own_ || who.address.empty()) return;
  if (find(who.id) != nullptr || !addresses_.insert(who.address).second) return;
  const auto place = std::lower_bound(
      candidates_.begin(), candidates_.end(), who.id,
      [&](const candidate& c, const node_id& id) { return closer(c.who.id, id, target_); });
  candidate added;
  added.who = who;
  added.depth = depth;
  candidates_.insert(place, std::move(added));
}

/// Forgets the farthest that nobody waits for.
void lookup::trim() {
  while (candidates_.size() > options_.candidates_max) {
    const auto last = std::find_if(candidates_.rbegin(), candidates_.rend(),
                                   [](const candidate& c) { return c.is != state::asked; });
    if (last == candidates_.rend()) return;
    if (last->is == state::fresh) addresses_.erase(last->who.address);
    candidates_.erase(std::next(last).base());
  }
}

size_t lookup::width() const {
  if (progress_) return options_.alpha;
  return mode_ == lookup_mode::nodes ? options_.settled_by : 2 * options_.alpha;
}

std::vector<contact> lookup::next(moment now) {
  std::vector<contact> result;
  if (done()) return result;
  size_t under_way = 0;
  for (auto& c : candidates_) {
    if (c.is != state::asked) continue;
    if (now - c.asked >= options_.patience) c.slow = true;
    if (!c.slow) ++under_way;
  }
  // Only the nearest that may still count; a slow one does not stand in the way of the next.
  size_t nearest = 0;
  for (auto& c : candidates_) {
    if (nearest >= options_.settled_by || under_way >= width() || queries_ >= options_.queries_max)
      break;
    if (c.is == state::failed || c.slow) continue;
    ++nearest;
    if (c.is != state::fresh) continue;
    c.is = state::asked;
    c.asked = now;
    ++under_way;
    ++queries_;
    result.push_back(c.who);
  }
  return result;
}

void lookup::answered(const node_id& asked, const contact& by, const std::vector<contact>& named,
                      holding has) {
  auto* from = find(asked);
  if (from == nullptr || from->is != state::asked) return;
  if (by.id != asked) {
    // Whoever named it was wrong about who lives there, but somebody does.
    const auto depth = from->depth;
    const auto queried = from->asked;
    const auto place = from - candidates_.data();
    auto real = by;
    real.address = from->who.address;
    candidates_.erase(candidates_.begin() + place);
    addresses_.erase(real.address);
    learn(real, depth);
    addresses_.insert(real.address);
    from = find(by.id);
    if (from == nullptr || from->is != state::fresh) return;
    from->who.address = real.address;
    from->is = state::asked;
    from->asked = queried;
  }
  from->is = state::answered;
  from->slow = false;
  from->has = has;
  if (has != holding::nothing) any_ = true;
  if (has == holding::published) ++holders_;
  const auto depth = from->depth + 1;
  const auto nearest = candidates_.front().who.id;
  for (const auto& who : named)
    learn(who, depth);
  // Who has records is as good as somebody nearer: the others nearby have them, too.
  progress_ = has != holding::nothing || candidates_.front().who.id != nearest;
  trim();
}

void lookup::failed(const node_id& asked) {
  auto* who = find(asked);
  if (who == nullptr || who->is != state::asked) return;
  who->is = state::failed;
  who->slow = false;
  ++failures_;
}

std::optional<moment> lookup::impatient_at() const {
  if (done()) return std::nullopt;
  std::optional<moment> first;
  for (const auto& c : candidates_) {
    if (c.is != state::asked || c.slow) continue;
    const auto at = c.asked + options_.patience;
    if (!first || at < *first) first = at;
  }
  return first;
}

bool lookup::closest_answered() const {
  size_t counted = 0;
  for (const auto& c : candidates_) {
    if (c.is == state::failed) continue;
    if (c.is == state::asked) return false;
    if (c.is == state::fresh && queries_ < options_.queries_max) return false;
    if (++counted == options_.settled_by) return true;
  }
  return true;
}

bool lookup::done() const {
  if (mode_ == lookup_mode::any_values && any_) return true;
  if (mode_ == lookup_mode::all_values && holders_ >= options_.holders_min) return true;
  return closest_answered();
}

std::vector<contact> lookup::closest() const {
  std::vector<contact> result;
  for (const auto& c : candidates_) {
    if (c.is != state::answered) continue;
    result.push_back(c.who);
    if (result.size() == options_.k) break;
  }
  return result;
}

std::vector<contact> lookup::nearest(size_t count) const {
  std::vector<contact> result;
  for (const auto& c : candidates_) {
    if (result.size() == count) break;
    if (c.is != state::failed && !c.slow) result.push_back(c.who);
  }
  return result;
}

std::optional<contact> lookup::cache_at() const {
  for (const auto& c : candidates_)
    if (c.is == state::answered && c.has == holding::nothing) return c.who;
  return std::nullopt;
}

size_t lookup::hops() const {
  for (const auto& c : candidates_)
    if (c.is == state::answered) return c.depth;
  return 0;
}

}  // namespace swarm::dht
