#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "actors/averaging/reduce_plan.hpp"
#include "actors/averaging/share_id.hpp"

namespace swarm::averaging {

/// What is in the sum of one part at its owner, and what it lacks: of each contributor its own
/// vector or, once it is lost, every share of its unit that covers the part; the first that comes
/// decides.
class part_units {
 public:
  part_units(const reduce_plan& plan, uint32_t part)
      : part_(part), own_in_(plan.members().size(), false) {
    recount(plan);
  }

  size_t lacking() const { return lacking_; }
  bool whole() const { return lacking_ == 0; }
  bool own_in(size_t member) const { return own_in_[member]; }
  bool lacks_share(const reduce_plan& plan, share_id which) const;
  /// Everything in it is lacking; of nothing, too.
  bool lacks_all(const reduce_plan& plan, size_t sender, const unit_list& units) const;
  /// What is lacking and `member` can give; nothing if it is lost.
  unit_list needed(const reduce_plan& plan, size_t member) const;

  /// Precondition: lacks_all.
  void mark(size_t sender, const unit_list& units);
  /// The plan has further losses.
  void recount(const reduce_plan& plan);

 private:
  uint32_t part_;
  std::vector<bool> own_in_;  // by member
  std::vector<share_id> shares_in_;
  size_t lacking_ = 0;
};

}  // namespace swarm::averaging
