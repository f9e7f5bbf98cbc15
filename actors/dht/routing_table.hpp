#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/dht/contact.hpp"
#include "actors/random.hpp"

namespace swarm::dht {

struct routing_options {
  size_t bucket_size = 20;  ///< k
  /// Kept per bucket for when one of its contacts fails; the latest stay.
  size_t replacements_max = 8;
  /// In a row, until a contact is dropped.
  uint32_t failures_max = 2;
  /// A contact that answered within this time is not asked whether it is alive.
  moment fresh_for{60'000};
};

/// Who a node knows: Kademlia's routing table (Maymounkov and Mazieres 2002, 2.2 and 2.4; BEP 5).
/// A bucket for each number of leading bits shared with the own id; the last one holds everything
/// nearer and is split when it is full. In each bucket the least recently heard stand first.
///
/// A contact stands here only after it has proven its key and answered at its address. No two have
/// the same address.
class routing_table {
 public:
  explicit routing_table(const node_id& own, routing_options options = {});

  enum class entry : uint8_t {
    refused,  ///< the own id, or no address
    waiting,  ///< for a place in a full bucket
    added,
    known
  };
  struct verdict {
    entry what = entry::refused;
    /// The bucket is full and this contact, the least recently heard, not fresh: ask it, and say
    /// `heard` or `failed`. It is not named again until then.
    std::optional<contact> ask;
  };

  /// It has proven itself just now.
  verdict heard(const contact& who, moment now);

  /// It has answered something else than a challenge. False, and nothing changes, unless it stands
  /// here with this address.
  bool refresh(const contact& who, moment now);

  /// It has not. At failures_max it gives way to the latest that waits. True: it is gone.
  bool failed(const node_id& who);
  /// Gone for sure: its connection broke.
  void remove(const node_id& who);
  void remove_at(const std::string& address);

  /// Unknown, and there is a place for it or it may wait for one.
  bool wants(const node_id& who) const;
  bool contains(const node_id& who) const;
  bool contains_address(const std::string& address) const;

  /// The known contacts nearest to the target, nearest first.
  std::vector<contact> closest(const node_id& target, size_t count) const;

  /// Contacts that have not been heard for `silence`, the longest silent first, at most `count`.
  std::vector<contact> silent(moment silence, moment now, size_t count);

  /// A lookup for this target is made now.
  void looked_up(const node_id& target, moment now);
  /// A random id in each bucket in which nothing was looked up for `age`.
  std::vector<node_id> stale(moment age, moment now, splitmix64& random) const;

  size_t size() const { return size_; }
  size_t buckets() const { return buckets_.size(); }
  const node_id& own() const { return own_; }

 private:
  struct row {
    contact who;
    moment heard{0};
    uint32_t failures = 0;
    bool being_asked = false;
  };
  struct bucket {
    std::vector<row> rows;         ///< least recently heard first
    std::vector<contact> waiting;  ///< latest last
    moment looked_up{moment::min()};
  };

  size_t index_of(const node_id& who) const;
  void split();
  void drop(bucket& from, size_t position);
  void wait(bucket& where, const contact& who);
  bool promote(bucket& where);

  node_id own_;
  routing_options options_;
  std::vector<bucket> buckets_;
  std::map<std::string, node_id> by_address_;
  size_t size_ = 0;
};

}  // namespace swarm::dht
