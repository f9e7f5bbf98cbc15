#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace swarm::averaging {

/// A share of a lost member's unit.
struct share_id {
  uint32_t member = 0;  ///< index of the lost member
  uint32_t share = 0;

  friend bool operator==(const share_id& a, const share_id& b) {
    return a.member == b.member && a.share == b.share;
  }
  friend bool operator<(const share_id& a, const share_id& b) {
    return a.member != b.member ? a.member < b.member : a.share < b.share;
  }
};

/// What a contribution consists of: the sender's own vector, shares that it has computed, or both.
struct unit_list {
  bool own = false;
  std::vector<share_id> shares;

  bool empty() const { return !own && shares.empty(); }
  /// `other` has nothing that is not in this one, and nothing twice.
  bool contains(const unit_list& other) const {
    if (other.own && !own) return false;
    for (auto at = other.shares.begin(); at != other.shares.end(); ++at)
      if (std::find(shares.begin(), shares.end(), *at) == shares.end() ||
          std::find(other.shares.begin(), at, *at) != at)
        return false;
    return true;
  }
  friend bool operator==(const unit_list& a, const unit_list& b) {
    return a.own == b.own && a.shares == b.shares;
  }
};

}  // namespace swarm::averaging
