#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "actors/averaging/local_vectors.hpp"
#include "actors/averaging/part_units.hpp"
#include "actors/averaging/reduce_plan.hpp"
#include "actors/averaging/share_id.hpp"
#include "actors/averaging/vector_sum.hpp"

namespace swarm::averaging {

/// One part at its owner, on its way to becoming a sum: what is in it, and the memory where it is
/// added up. Elements are T = float or std::int64_t.
template <class T>
class collection {
 public:
  /// `sum` has room for the part, and stays where it is.
  collection(const reduce_plan& plan, uint32_t part, size_t self, T* sum)
      : or_sum_(plan.first_owner(part) != self),
        self_(self),
        range_(plan.part(part)),
        sum_(sum),
        units_(plan, part) {}

  /// It had another owner, so that somebody may have its sum.
  bool or_sum() const { return or_sum_; }
  const part_units& units() const { return units_; }
  /// The plan has further losses.
  void recount(const reduce_plan& plan) { units_.recount(plan); }

  /// What `from` has sent. Precondition: all of `units` is lacking.
  void add(size_t from, const unit_list& units, const T* data, const local_vectors<T>& local) {
    add(data, local);
    units_.mark(from, units);
  }

  /// Of the shares that are complete here, those that are lacking.
  void add_own_shares(const reduce_plan& plan, const local_vectors<T>& local) {
    for (const auto& [which, vector] : local.shares()) {
      if (!units_.lacks_share(plan, which)) continue;
      add(vector.get() + range_.begin, local);
      units_.mark(self_, {false, {which}});
    }
  }

  /// True: nothing is lacking any more, and the sum is in its memory.
  bool finish_if_whole(const local_vectors<T>& local) {
    if (!begun_ && units_.lacking() == 1) {
      std::memcpy(sum_, local.own() + range_.begin, range_.count * sizeof(T));
      begin();
    }
    return units_.whole();
  }

 private:
  void add(const T* data, const local_vectors<T>& local) {
    if (begun_) return add_into(sum_, data, range_.count);
    // The local vector goes in with the first that comes.
    set_to_sum(sum_, local.own() + range_.begin, data, range_.count);
    begin();
  }

  void begin() {
    begun_ = true;
    units_.mark(self_, {true, {}});
  }

  bool or_sum_;
  bool begun_ = false;  ///< the memory has what is in
  size_t self_;
  element_range range_;
  T* sum_;
  part_units units_;
};

}  // namespace swarm::averaging
