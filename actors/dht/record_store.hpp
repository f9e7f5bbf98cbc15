#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "actors/dht/rate_limiter.hpp"
#include "actors/dht/record.hpp"

namespace swarm::dht {

/// What became of a record that arrived. The wire has the same numbers.
enum class store_verdict : uint8_t {
  stored = 0,
  refreshed,    ///< the very same is here already
  older,        ///< a higher sequence is here: read it, publish with a higher one
  forged,       ///< the signature does not hold
  not_owners,   ///< the subkey does not begin with the owner's key
  expired,      ///< check the clocks
  too_far,      ///< expires later than lifetime_max from now
  too_large,    ///< value or subkey
  key_full,     ///< records_per_key_max or bytes_per_key_max
  owner_full,   ///< records_per_owner_max
  source_full,  ///< bytes_per_source_max
  store_full    ///< bytes_max
};
inline constexpr size_t store_verdicts = 12;

/// A sentence, with what to do.
const char* to_sentence(store_verdict verdict);

/// The node has the record now.
constexpr bool is_held(store_verdict verdict) {
  return verdict == store_verdict::stored || verdict == store_verdict::refreshed;
}

/// Bytes count as bytes_of does.
struct store_limits {
  size_t records_per_key_max = 512;
  size_t bytes_per_key_max = size_t{1} << 20;
  size_t records_per_owner_max = 1024;  ///< over all keys
  size_t bytes_per_source_max = size_t{4} << 20;
  size_t bytes_max = size_t{64} << 20;
  std::chrono::milliseconds lifetime_max{std::chrono::hours{48}};
  /// How long a copy stays that a lookup has left here.
  std::chrono::milliseconds cached_for{30'000};
};

enum class origin : uint8_t {
  published,  ///< by its owner, or by a node that replicates
  cached      ///< left on the path of a lookup
};

using record_ptr = std::shared_ptr<const signed_record>;

/// The records a node holds for others. Nothing enters that is not whole, signed by its owner, in
/// time and within the limits; what is refused changes nothing. Time is passed in: unix
/// milliseconds for expiry, the node's moment for the rest.
class record_store {
 public:
  explicit record_store(store_limits limits = {}) : limits_(limits) {}

  struct time_of_day {
    int64_t unix_ms = 0;
    moment now{0};
  };

  store_verdict store(signed_record record, source_id source, origin from, time_of_day when);

  struct found {
    std::vector<record_ptr> records;
    /// Any of them was published here. If not, there may be more elsewhere.
    bool published = false;
  };
  /// All unexpired records under the key.
  found find(const node_id& key, time_of_day when);
  bool has(const node_id& key) const { return keys_.count(key) != 0; }

  /// Forgets what has expired.
  void expire(time_of_day when);

  /// Keys with published records of which none was stored here for `age`, oldest first, at most
  /// `count`: who replicated a key lately spares the others the work (Kademlia, 2.5). Named once
  /// per `age`.
  std::vector<node_id> due(moment age, moment now, size_t count);
  /// Keys with published records.
  std::vector<node_id> published_keys() const;

  size_t records() const { return records_; }
  size_t keys() const { return keys_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  using slot = std::pair<public_key, std::string>;  ///< owner, subkey
  struct entry {
    record_ptr record;
    source_id source = 0;
    origin from = origin::published;
    moment stored{0};
  };
  struct shelf {
    std::map<slot, entry> entries;
    size_t bytes = 0;
    size_t published = 0;
    moment replicated{0};
  };
  struct expiry {
    int64_t unix_ms;
    node_id key;
    slot where;
    friend bool operator<(const expiry& a, const expiry& b) {
      return std::tie(a.unix_ms, a.key, a.where) < std::tie(b.unix_ms, b.key, b.where);
    }
  };

  store_verdict check(const signed_record& record, int64_t unix_ms) const;
  store_verdict room_for(const signed_record& record, const entry* held, source_id source,
                         origin from);
  bool is_over(const entry& e, time_of_day when) const;
  void insert(shelf& where, entry e);
  void remove(const node_id& key, const slot& where);
  void drop_cached();
  void count(const entry& e, bool added);

  store_limits limits_;
  std::map<node_id, shelf> keys_;
  std::set<expiry> expiries_;
  std::set<std::pair<node_id, slot>> cached_;
  std::map<public_key, size_t> by_owner_;
  std::map<source_id, size_t> by_source_;
  size_t records_ = 0;
  size_t bytes_ = 0;
  size_t cached_bytes_ = 0;
};

}  // namespace swarm::dht
