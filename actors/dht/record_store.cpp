#include "actors/dht/record_store.hpp"

#include <algorithm>

#include "actors/invariant.hpp"

namespace swarm::dht {

namespace {

template <class Map, class Key>
void add_to(Map& counts, const Key& key, size_t amount) {
  counts[key] += amount;
}

template <class Map, class Key>
void take_from(Map& counts, const Key& key, size_t amount) {
  const auto found = counts.find(key);
  SWARM_INVARIANT(found != counts.end() && found->second >= amount, "what goes was counted");
  found->second -= amount;
  if (found->second == 0) counts.erase(found);
}

template <class Map, class Key>
size_t count_of(const Map& counts, const Key& key) {
  const auto found = counts.find(key);
  return found == counts.end() ? 0 : found->second;
}

}  // namespace

const char* to_sentence(store_verdict verdict) {
  switch (verdict) {
    case store_verdict::stored:
      return "The record is stored.";
    case store_verdict::refreshed:
      return "The very same record is stored already.";
    case store_verdict::older:
      return "A record with a higher sequence is stored; read it and publish a higher one.";
    case store_verdict::forged:
      return "The record's signature does not hold; do not pass it on.";
    case store_verdict::not_owners:
      return "The record's subkey does not begin with its owner's public key; use subkey_of.";
    case store_verdict::expired:
      return "The record has expired; check both clocks and publish it again.";
    case store_verdict::too_far:
      return "The record expires later than lifetime_max allows; check both clocks or shorten it.";
    case store_verdict::too_large:
      return "The record's value or subkey is too large; store a reference instead.";
    case store_verdict::key_full:
      return "The key has as many records as a node keeps; spread them over several keys.";
    case store_verdict::owner_full:
      return "The owner has as many records as a node keeps for one; let some expire.";
    case store_verdict::source_full:
      return "The sender has stored as many bytes as a node keeps for one; let some expire.";
    case store_verdict::store_full:
      return "The node is full; others may have room.";
  }
  return "Unknown verdict.";
}

store_verdict record_store::check(const signed_record& record, int64_t unix_ms) const {
  if (!fits(record)) return store_verdict::too_large;
  if (!is_owners(record)) return store_verdict::not_owners;
  if (record.expires_unix_ms <= unix_ms) return store_verdict::expired;
  // The expiry may be anything: no sum with it.
  if (record.expires_unix_ms > unix_ms + limits_.lifetime_max.count())
    return store_verdict::too_far;
  return store_verdict::stored;
}

store_verdict record_store::store(signed_record record, source_id source, origin from,
                                  time_of_day when) {
  const auto verdict = check(record, when.unix_ms);
  if (verdict != store_verdict::stored) return verdict;
  const auto shelf_found = keys_.find(record.key);
  const slot where{record.owner, record.subkey};
  entry* held = nullptr;
  if (shelf_found != keys_.end()) {
    const auto found = shelf_found->second.entries.find(where);
    if (found != shelf_found->second.entries.end()) held = &found->second;
  }
  const bool same = held != nullptr && *held->record == record;
  if (held != nullptr && !same && !supersedes(record, *held->record)) return store_verdict::older;
  // What is here already was checked when it came.
  if (same && (from == origin::cached || held->from == origin::published)) {
    held->stored = when.now;
    if (from == origin::published) shelf_found->second.replicated = when.now;
    return store_verdict::refreshed;
  }
  if (!same) {
    const auto room = room_for(record, held, source, from);
    if (room != store_verdict::stored) return room;
    if (!signature_holds(record)) return store_verdict::forged;
  }
  if (from == origin::published && bytes_ + bytes_of(record) > limits_.bytes_max) drop_cached();
  // A copy never takes away that a slot is known to be published here.
  const auto find_again = keys_.find(record.key);
  if (find_again != keys_.end()) {
    const auto before = find_again->second.entries.find(where);
    if (before != find_again->second.entries.end()) {
      if (before->second.from == origin::published) from = origin::published;
      remove(record.key, where);
    }
  }
  auto& target = keys_[record.key];
  if (from == origin::published) target.replicated = when.now;
  insert(target,
         {std::make_shared<const signed_record>(std::move(record)), source, from, when.now});
  return same ? store_verdict::refreshed : store_verdict::stored;
}

store_verdict record_store::room_for(const signed_record& record, const entry* held,
                                     source_id source, origin from) {
  const auto bytes = bytes_of(record);
  const auto before = held != nullptr ? bytes_of(*held->record) : 0;
  const auto shelf_found = keys_.find(record.key);
  if (shelf_found != keys_.end()) {
    const auto& s = shelf_found->second;
    if (held == nullptr && s.entries.size() >= limits_.records_per_key_max)
      return store_verdict::key_full;
    if (s.bytes - before + bytes > limits_.bytes_per_key_max) return store_verdict::key_full;
  }
  if (held == nullptr && count_of(by_owner_, record.owner) >= limits_.records_per_owner_max)
    return store_verdict::owner_full;
  const auto mine = held != nullptr && held->source == source ? before : 0;
  if (count_of(by_source_, source) - mine + bytes > limits_.bytes_per_source_max)
    return store_verdict::source_full;
  const auto after = bytes_ - before + bytes;
  if (after <= limits_.bytes_max) return store_verdict::stored;
  // Copies give way to what was published.
  if (from == origin::cached) return store_verdict::store_full;
  const auto of_held = held != nullptr && held->from == origin::cached ? before : 0;
  if (after - (cached_bytes_ - of_held) > limits_.bytes_max) return store_verdict::store_full;
  return store_verdict::stored;
}

bool record_store::is_over(const entry& e, time_of_day when) const {
  return e.record->expires_unix_ms <= when.unix_ms ||
         (e.from == origin::cached && when.now - e.stored >= limits_.cached_for);
}

void record_store::count(const entry& e, bool added) {
  const auto bytes = bytes_of(*e.record);
  if (added) {
    add_to(by_owner_, e.record->owner, 1);
    add_to(by_source_, e.source, bytes);
    bytes_ += bytes;
    ++records_;
  } else {
    take_from(by_owner_, e.record->owner, 1);
    take_from(by_source_, e.source, bytes);
    bytes_ -= bytes;
    --records_;
  }
}

void record_store::insert(shelf& where, entry e) {
  const auto& r = *e.record;
  const slot place{r.owner, r.subkey};
  count(e, true);
  where.bytes += bytes_of(r);
  if (e.from == origin::published) {
    ++where.published;
  } else {
    cached_.emplace(r.key, place);
    cached_bytes_ += bytes_of(r);
  }
  expiries_.insert({r.expires_unix_ms, r.key, place});
  where.entries.emplace(place, std::move(e));
}

void record_store::remove(const node_id& key, const slot& where) {
  const auto home = keys_.find(key);
  auto& s = home->second;
  const auto found = s.entries.find(where);
  const auto& e = found->second;
  count(e, false);
  s.bytes -= bytes_of(*e.record);
  if (e.from == origin::published) {
    --s.published;
  } else {
    cached_.erase({key, where});
    cached_bytes_ -= bytes_of(*e.record);
  }
  expiries_.erase({e.record->expires_unix_ms, key, where});
  s.entries.erase(found);
  if (s.entries.empty()) keys_.erase(home);
}

void record_store::drop_cached() {
  while (!cached_.empty()) {
    const auto first = *cached_.begin();
    remove(first.first, first.second);
  }
}

record_store::found record_store::find(const node_id& key, time_of_day when) {
  found result;
  const auto home = keys_.find(key);
  if (home == keys_.end()) return result;
  for (const auto& [where, e] : home->second.entries) {
    if (is_over(e, when)) continue;
    result.records.push_back(e.record);
    if (e.from == origin::published) result.published = true;
  }
  return result;
}

void record_store::expire(time_of_day when) {
  while (!expiries_.empty() && expiries_.begin()->unix_ms <= when.unix_ms) {
    const auto first = *expiries_.begin();
    remove(first.key, first.where);
  }
  std::vector<std::pair<node_id, slot>> over;
  for (const auto& [key, where] : cached_)
    if (is_over(keys_.at(key).entries.at(where), when)) over.emplace_back(key, where);
  for (const auto& [key, where] : over)
    remove(key, where);
}

std::vector<node_id> record_store::due(moment age, moment now, size_t count) {
  std::vector<std::pair<moment, node_id>> old;
  for (const auto& [key, s] : keys_)
    if (s.published > 0 && now - s.replicated >= age) old.emplace_back(s.replicated, key);
  std::sort(old.begin(), old.end());
  if (old.size() > count) old.resize(count);
  std::vector<node_id> result;
  for (const auto& [when, key] : old) {
    keys_.at(key).replicated = now;
    result.push_back(key);
  }
  return result;
}

std::vector<node_id> record_store::published_keys() const {
  std::vector<node_id> result;
  for (const auto& [key, s] : keys_)
    if (s.published > 0) result.push_back(key);
  return result;
}

}  // namespace swarm::dht
