#include "actors/averaging/part_units.hpp"

#include <algorithm>

#include "actors/invariant.hpp"

namespace swarm::averaging {

bool part_units::lacks_share(const reduce_plan& plan, share_id which) const {
  if (which.member >= own_in_.size() || own_in_[which.member]) return false;
  const auto* loss = plan.loss_of(which.member);
  if (loss == nullptr || which.share >= loss->helpers.size() || !loss->covers(which.share, part_))
    return false;
  return std::find(shares_in_.begin(), shares_in_.end(), which) == shares_in_.end();
}

bool part_units::lacks_all(const reduce_plan& plan, size_t sender, const unit_list& units) const {
  if (units.own && own_in_[sender]) return false;
  return std::all_of(units.shares.begin(), units.shares.end(),
                     [&](const share_id& which) { return lacks_share(plan, which); });
}

unit_list part_units::needed(const reduce_plan& plan, size_t member) const {
  unit_list units;
  if (plan.lost(member)) return units;
  units.own = plan.members()[member].contributes && !own_in_[member];
  for (const auto& loss : plan.losses()) {
    for (uint32_t k = 0; k < loss.helpers.size(); ++k) {
      const share_id which{static_cast<uint32_t>(loss.member), k};
      if (loss.helpers[k] == member && lacks_share(plan, which)) units.shares.push_back(which);
    }
  }
  return units;
}

void part_units::mark(size_t sender, const unit_list& units) {
  if (units.own) own_in_[sender] = true;
  shares_in_.insert(shares_in_.end(), units.shares.begin(), units.shares.end());
  const size_t marked = (units.own ? 1 : 0) + units.shares.size();
  SWARM_INVARIANT(lacking_ >= marked, "a part of a sum lacks what is added to it");
  lacking_ -= marked;
}

void part_units::recount(const reduce_plan& plan) {
  lacking_ = 0;
  for (size_t i = 0; i < own_in_.size(); ++i)
    lacking_ += plan.members()[i].contributes && !plan.lost(i) && !own_in_[i] ? 1 : 0;
  for (const auto& loss : plan.losses())
    for (uint32_t k = 0; k < loss.helpers.size(); ++k)
      lacking_ += lacks_share(plan, {static_cast<uint32_t>(loss.member), k}) ? 1 : 0;
}

}  // namespace swarm::averaging
