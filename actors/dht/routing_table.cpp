#include "actors/dht/routing_table.hpp"

#include <algorithm>
#include <utility>

#include "actors/invariant.hpp"

namespace swarm::dht {

namespace {

template <class Rows>
auto find_row(Rows& rows, const node_id& who) {
  return std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.who.id == who; });
}

template <class Contacts>
auto find_contact(Contacts& contacts, const node_id& who) {
  return std::find_if(contacts.begin(), contacts.end(), [&](const auto& c) { return c.id == who; });
}

}  // namespace

routing_table::routing_table(const node_id& own, routing_options options)
    : own_(own), options_(options), buckets_(1) {
  SWARM_INVARIANT(options_.bucket_size > 0, "a bucket holds somebody");
}

size_t routing_table::index_of(const node_id& who) const {
  return std::min(common_bits(own_, who), buckets_.size() - 1);
}

routing_table::verdict routing_table::heard(const contact& who, moment now) {
  if (who.id == own_ || who.address.empty()) return {};
  // Somebody else answers there now: a restarted node with a new key.
  const auto there = by_address_.find(who.address);
  if (there != by_address_.end() && there->second != who.id) remove(there->second);
  auto* home = &buckets_[index_of(who.id)];
  const auto found = find_row(home->rows, who.id);
  if (found != home->rows.end()) {
    if (found->who.address != who.address) {
      by_address_.erase(found->who.address);
      by_address_.emplace(who.address, who.id);
    }
    *found = {who, now};
    std::rotate(found, found + 1, home->rows.end());
    return {entry::known, std::nullopt};
  }
  while (home->rows.size() >= options_.bucket_size && home == &buckets_.back() &&
         buckets_.size() < id_bits) {
    split();
    home = &buckets_[index_of(who.id)];
  }
  if (home->rows.size() < options_.bucket_size) {
    const auto waits = find_contact(home->waiting, who.id);
    if (waits != home->waiting.end()) home->waiting.erase(waits);
    home->rows.push_back({who, now});
    by_address_.emplace(who.address, who.id);
    ++size_;
    return {entry::added, std::nullopt};
  }
  wait(*home, who);
  auto& oldest = home->rows.front();
  if (oldest.being_asked || now - oldest.heard < options_.fresh_for)
    return {entry::waiting, std::nullopt};
  oldest.being_asked = true;
  return {entry::waiting, oldest.who};
}

bool routing_table::refresh(const contact& who, moment now) {
  const auto& rows = buckets_[index_of(who.id)].rows;
  const auto found = find_row(rows, who.id);
  if (found == rows.end() || found->who.address != who.address) return false;
  heard(who, now);
  return true;
}

void routing_table::split() {
  const auto shared = buckets_.size() - 1;
  buckets_.emplace_back();
  auto& far = buckets_[shared];
  auto& near = buckets_.back();
  near.looked_up = far.looked_up;
  const auto stays = [&](const node_id& id) { return common_bits(own_, id) == shared; };
  const auto rows = std::stable_partition(far.rows.begin(), far.rows.end(),
                                          [&](const row& r) { return stays(r.who.id); });
  near.rows.assign(std::make_move_iterator(rows), std::make_move_iterator(far.rows.end()));
  far.rows.erase(rows, far.rows.end());
  const auto waiting = std::stable_partition(far.waiting.begin(), far.waiting.end(),
                                             [&](const contact& c) { return stays(c.id); });
  near.waiting.assign(std::make_move_iterator(waiting), std::make_move_iterator(far.waiting.end()));
  far.waiting.erase(waiting, far.waiting.end());
  promote(far);
  promote(near);
}

void routing_table::wait(bucket& where, const contact& who) {
  const auto waits = find_contact(where.waiting, who.id);
  if (waits != where.waiting.end()) where.waiting.erase(waits);
  where.waiting.push_back(who);
  if (where.waiting.size() > options_.replacements_max) where.waiting.erase(where.waiting.begin());
}

bool routing_table::promote(bucket& where) {
  while (!where.waiting.empty() && where.rows.size() < options_.bucket_size) {
    auto next = std::move(where.waiting.back());
    where.waiting.pop_back();
    if (by_address_.count(next.address) != 0) continue;
    by_address_.emplace(next.address, next.id);
    // It has not been heard since it began to wait: the first to be asked.
    where.rows.insert(where.rows.begin(), row{std::move(next), moment::min() / 2});
    ++size_;
    return true;
  }
  return false;
}

void routing_table::drop(bucket& from, size_t position) {
  by_address_.erase(from.rows[position].who.address);
  from.rows.erase(from.rows.begin() + static_cast<std::ptrdiff_t>(position));
  --size_;
  promote(from);
}

bool routing_table::failed(const node_id& who) {
  auto& home = buckets_[index_of(who)];
  const auto waits = find_contact(home.waiting, who);
  if (waits != home.waiting.end()) home.waiting.erase(waits);
  const auto found = find_row(home.rows, who);
  if (found == home.rows.end()) return false;
  found->being_asked = false;
  if (++found->failures < options_.failures_max) return false;
  drop(home, static_cast<size_t>(found - home.rows.begin()));
  return true;
}

void routing_table::remove(const node_id& who) {
  auto& home = buckets_[index_of(who)];
  const auto waits = find_contact(home.waiting, who);
  if (waits != home.waiting.end()) home.waiting.erase(waits);
  const auto found = find_row(home.rows, who);
  if (found != home.rows.end()) drop(home, static_cast<size_t>(found - home.rows.begin()));
}

void routing_table::remove_at(const std::string& address) {
  const auto found = by_address_.find(address);
  if (found == by_address_.end()) return;
  const auto who = found->second;
  remove(who);
}

bool routing_table::contains_address(const std::string& address) const {
  return by_address_.count(address) != 0;
}

bool routing_table::wants(const node_id& who) const {
  if (who == own_) return false;
  const auto& home = buckets_[index_of(who)];
  if (find_row(home.rows, who) != home.rows.end()) return false;
  if (home.rows.size() < options_.bucket_size) return true;
  // The last bucket makes room by splitting.
  if (&home == &buckets_.back()) return true;
  return home.waiting.size() < options_.replacements_max &&
         find_contact(home.waiting, who) == home.waiting.end();
}

bool routing_table::contains(const node_id& who) const {
  const auto& rows = buckets_[index_of(who)].rows;
  return find_row(rows, who) != rows.end();
}

std::vector<contact> routing_table::closest(const node_id& target, size_t count) const {
  std::vector<const row*> all;
  all.reserve(size_);
  for (const auto& b : buckets_)
    for (const auto& r : b.rows)
      all.push_back(&r);
  const auto kept = std::min(count, all.size());
  std::partial_sort(
      all.begin(), all.begin() + static_cast<std::ptrdiff_t>(kept), all.end(),
      [&](const row* a, const row* b) { return closer(a->who.id, b->who.id, target); });
  std::vector<contact> result;
  result.reserve(kept);
  for (size_t i = 0; i < kept; ++i)
    result.push_back(all[i]->who);
  return result;
}

std::vector<contact> routing_table::silent(moment silence, moment now, size_t count) {
  std::vector<row*> found;
  for (auto& b : buckets_)
    for (auto& r : b.rows)
      if (!r.being_asked && now - r.heard >= silence) found.push_back(&r);
  std::stable_sort(found.begin(), found.end(),
                   [](const row* a, const row* b) { return a->heard < b->heard; });
  if (found.size() > count) found.resize(count);
  std::vector<contact> result;
  for (auto* r : found) {
    r->being_asked = true;
    result.push_back(r->who);
  }
  return result;
}

void routing_table::looked_up(const node_id& target, moment now) {
  buckets_[index_of(target)].looked_up = now;
}

std::vector<node_id> routing_table::stale(moment age, moment now, splitmix64& random) const {
  std::vector<node_id> targets;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    const auto last = buckets_[i].looked_up;
    if (last == moment::min() || now - last >= age)
      targets.push_back(random_sharing(own_, i, random));
  }
  return targets;
}

}  // namespace swarm::dht
