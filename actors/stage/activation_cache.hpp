#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "actors/ids.hpp"

namespace swarm::stage {

struct activation_key {
  step_id step;
  microbatch_id microbatch;

  friend bool operator==(const activation_key& a, const activation_key& b) {
    return a.step == b.step && a.microbatch == b.microbatch;
  }
  friend bool operator!=(const activation_key& a, const activation_key& b) { return !(a == b); }
};

struct activation_key_hash {
  size_t operator()(const activation_key& key) const noexcept {
    const auto mixed = static_cast<uint64_t>(key.step.value()) * 0x9e3779b97f4a7c15ULL ^
                       static_cast<uint64_t>(key.microbatch.value()) * 0xc2b2ae3d27d4eb4fULL;
    return static_cast<size_t>(mixed ^ (mixed >> 29));
  }
};

struct activation_cache_counters {
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t evictions = 0;  ///< entries given up and newcomers not kept
};

/// What forwards keep for their backwards, within a budget of bytes. A miss costs a second forward,
/// never correctness.
///
/// Which entry to give up? Backwards come roughly in the order of the forwards, so the newest entry
/// is needed last, and Belady's rule gives up the newest: the newcomer itself is not kept. Evicting
/// the oldest instead would always throw away the graph that is needed next; with k + 1
/// microbatches in flight and room for k it would miss every single time, where this misses one in
/// k + 1. The price is that an entry whose backward never comes (its trainer died) would hold its
/// place, so two kinds of entries go before the newcomer: those of an older step, and those that
/// `overtaken_max` younger entries have overtaken.
///
/// Owned by one thread; knows no clock.
template <class Saved>
class activation_cache {
 public:
  using key = activation_key;

  /// More overtaking than replies of unequal peers cause by chance means that nobody is coming.
  static constexpr uint32_t overtaken_max = 32;

  explicit activation_cache(size_t budget_bytes) : budget_bytes_(budget_bytes) {}

  /// Keeps `saved` if it fits, after giving up abandoned entries if need be. Replaces an entry of
  /// the same key. Returns the keys that were given up, the newcomer's own if it was not kept.
  std::vector<key> insert(key k, Saved saved, size_t bytes) {
    erase(k);
    std::vector<key> evicted;
    if (bytes <= budget_bytes_) {
      while (bytes > budget_bytes_ - bytes_) {
        const auto victim = abandoned(k.step);
        if (victim == entries_.end()) break;
        evicted.push_back(victim->k);
        drop(victim);
      }
    }
    if (bytes > budget_bytes_ || bytes > budget_bytes_ - bytes_) {
      evicted.push_back(k);
    } else {
      entries_.push_back({k, std::move(saved), bytes, 0});
      index_.emplace(k, std::prev(entries_.end()));
      bytes_ += bytes;
    }
    counters_.evictions += evicted.size();
    return evicted;
  }

  /// Hands the entry over; counts a hit or a miss.
  std::optional<Saved> take(key k) {
    const auto found = index_.find(k);
    if (found == index_.end()) {
      ++counters_.misses;
      return std::nullopt;
    }
    ++counters_.hits;
    for (auto i = entries_.begin(); i != found->second; ++i)
      ++i->overtaken;
    std::optional<Saved> saved(std::move(found->second->saved));
    drop(found->second);
    return saved;
  }

  /// Null when absent; valid until the next change. Counts nothing.
  const Saved* find(key k) const {
    const auto found = index_.find(k);
    return found == index_.end() ? nullptr : &found->second->saved;
  }

  bool erase(key k) {
    const auto found = index_.find(k);
    if (found == index_.end()) return false;
    drop(found->second);
    return true;
  }

  /// Drops all entries of a step that is over.
  void erase(step_id step) {
    for (auto i = entries_.begin(); i != entries_.end();) {
      const auto next = std::next(i);
      if (i->k.step == step) drop(i);
      i = next;
    }
  }

  void clear() {
    entries_.clear();
    index_.clear();
    bytes_ = 0;
  }

  size_t size() const { return entries_.size(); }
  size_t bytes() const { return bytes_; }
  size_t budget_bytes() const { return budget_bytes_; }
  const activation_cache_counters& counters() const { return counters_; }

 private:
  struct entry {
    key k;
    Saved saved;
    size_t bytes;
    uint32_t overtaken;
  };
  using entries = std::list<entry>;

  typename entries::iterator abandoned(step_id now) {
    auto i = entries_.begin();
    while (i != entries_.end() && !(i->k.step < now))
      ++i;
    if (i != entries_.end()) return i;
    // The older an entry, the more have overtaken it, so the first one decides.
    if (!entries_.empty() && entries_.front().overtaken >= overtaken_max) return entries_.begin();
    return entries_.end();
  }

  void drop(typename entries::iterator i) {
    bytes_ -= i->bytes;
    index_.erase(i->k);
    entries_.erase(i);
  }

  size_t budget_bytes_;
  size_t bytes_ = 0;
  entries entries_;  // in order of insertion
  std::unordered_map<key, typename entries::iterator, activation_key_hash> index_;
  activation_cache_counters counters_;
};

}  // namespace swarm::stage
