#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "actors/averaging/reduce_plan.hpp"
#include "actors/averaging/share_id.hpp"
#include "actors/averaging/vector_sum.hpp"

namespace swarm::averaging {

/// What one member can contribute: its own vector and the shares that it has computed.
template <class T>
class local_vectors {
 public:
  explicit local_vectors(std::shared_ptr<const T> own) : own_(std::move(own)) {}

  const T* own() const { return own_.get(); }
  const std::map<share_id, std::shared_ptr<const T>>& shares() const { return shares_; }
  bool has(share_id which) const { return shares_.count(which) != 0; }
  void add(share_id which, std::shared_ptr<const T> vector) { shares_[which] = std::move(vector); }
  void clear() {
    own_ = nullptr;
    shares_.clear();
  }

  /// What of it is here.
  unit_list available(const unit_list& asked) const {
    unit_list here{asked.own, {}};
    for (const auto& which : asked.shares)
      if (has(which)) here.shares.push_back(which);
    return here;
  }

  /// Precondition: `units` is available and not empty. One vector is given as it is, several as
  /// their sum.
  std::shared_ptr<const T> contribution(element_range range, const unit_list& units) const {
    std::vector<std::shared_ptr<const T>> vectors;
    if (units.own) vectors.push_back(own_);
    for (const auto& which : units.shares)
      vectors.push_back(shares_.at(which));
    if (vectors.size() == 1) return {vectors.front(), vectors.front().get() + range.begin};
    std::shared_ptr<T> sum(new T[range.count], std::default_delete<T[]>());
    set_to_sum(sum.get(), vectors[0].get() + range.begin, vectors[1].get() + range.begin,
               range.count);
    for (size_t i = 2; i < vectors.size(); ++i)
      add_into(sum.get(), vectors[i].get() + range.begin, range.count);
    return sum;
  }

 private:
  std::shared_ptr<const T> own_;
  std::map<share_id, std::shared_ptr<const T>> shares_;
};

}  // namespace swarm::averaging
