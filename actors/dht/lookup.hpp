#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/dht/contact.hpp"

namespace swarm::dht {

enum class lookup_mode : uint8_t {
  nodes,       ///< the k closest nodes
  any_values,  ///< until somebody has records, a cached copy included
  all_values   ///< until holders_min nodes that were given records have answered with them
};

/// What a node said about records under the target.
enum class holding : uint8_t {
  nothing,
  cached,    ///< copies that were left on the path of a lookup: perhaps not all
  published  ///< what owners and replication have stored
};

struct lookup_options {
  size_t k = 20;
  size_t alpha = 3;
  /// So many of the nearest must have answered; at most k. With less than k the rest of the k is
  /// hearsay of those: enough for who is going to talk to each of them anyway.
  size_t settled_by = 20;
  size_t holders_min = 3;
  /// The nearest that are remembered.
  size_t candidates_max = 160;
  /// A lookup that is led on for ever ends here.
  size_t queries_max = 200;
  /// A node that has not answered for so long gives up its turn to another one.
  moment patience{250};
};

/// One iterative lookup (Maymounkov and Mazieres 2002, 2.3). alpha nodes are asked at once; after
/// an answer that named nobody nearer than the nearest known and had no records, all of the k
/// nearest that are left (twice alpha of them when values are looked for). It ends when the k
/// nearest known nodes that did not fail have answered (settled_by), or earlier as its mode says.
///
/// Who names nodes is not trusted: they are asked, at one per address, and counted only when they
/// answer.
class lookup {
 public:
  lookup(const node_id& own, const node_id& target, lookup_mode mode,
         const std::vector<contact>& start, lookup_options options = {});

  /// Whom to ask now; each is answered for by one `answered` or `failed`. Empty when done.
  std::vector<contact> next(moment now);

  /// `by` is who answered at the address that was asked, whoever was expected there.
  void answered(const node_id& asked, const contact& by, const std::vector<contact>& named,
                holding has = holding::nothing);
  void failed(const node_id& asked);

  /// When `next` may have more to ask although nothing happened; nothing when it has not.
  std::optional<moment> impatient_at() const;

  bool done() const;

  /// Those who answered, nearest first, at most k.
  std::vector<contact> closest() const;
  /// The nearest that did not fail, answered or not, nearest first.
  std::vector<contact> nearest(size_t count) const;
  /// The nearest node that answered and had nothing: where a copy helps the next one who asks.
  std::optional<contact> cache_at() const;

  const node_id& target() const { return target_; }
  lookup_mode mode() const { return mode_; }
  size_t queries() const { return queries_; }
  size_t failures() const { return failures_; }
  /// Nodes asked one after the other on the way to the nearest that answered; 0: nobody did.
  size_t hops() const;

 private:
  enum class state : uint8_t { fresh, asked, answered, failed };
  struct candidate {
    contact who;
    state is = state::fresh;
    uint32_t depth = 1;
    moment asked{0};
    bool slow = false;
    holding has = holding::nothing;
  };

  candidate* find(const node_id& id);
  void learn(const contact& who, uint32_t depth);
  void trim();
  size_t width() const;
  bool closest_answered() const;

  node_id own_;
  node_id target_;
  lookup_mode mode_;
  lookup_options options_;
  std::vector<candidate> candidates_;  ///< nearest first
  std::set<std::string> addresses_;    ///< of all candidates ever
  bool progress_ = true;
  size_t queries_ = 0;
  size_t failures_ = 0;
  size_t holders_ = 0;
  bool any_ = false;
};

}  // namespace swarm::dht
