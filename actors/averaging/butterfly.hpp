#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "actors/averaging/errc.hpp"
#include "actors/averaging/reduce_plan.hpp"
#include "actors/averaging/result_hash.hpp"
#include "actors/ids.hpp"

namespace swarm::averaging {

constexpr double bandwidth_share_max = 1e15;
/// Slice bounds are multiples of this, so that vector loads stay aligned.
constexpr size_t slice_alignment_elements = 16;
constexpr size_t default_part_elements_max = size_t{64} * 1024;

struct butterfly_member {
  worker_id id;
  /// False: a follower. It sends nothing, owns no slice, and receives the whole result.
  bool contributes = true;
  /// The size of its slice relative to the others'. All zero counts as all equal.
  double bandwidth_share = 1;
};

/// Who owns what: the same at every member that is given the same members in the same order.
/// Slice s belongs to the s-th contributing member. Some slices may be empty.
class butterfly_plan {
 public:
  /// Nothing and an error if the group makes no sense.
  static std::optional<butterfly_plan> make(std::vector<butterfly_member> members, size_t elements,
                                            size_t part_elements_max = default_part_elements_max,
                                            averaging_errc* error = nullptr);

  const std::vector<butterfly_member>& members() const { return members_; }
  size_t elements() const { return elements_; }
  /// Position in members().
  std::optional<size_t> index_of(worker_id id) const;
  size_t slices() const { return owners_.size(); }
  /// Position in members() of the slice's owner.
  size_t owner(size_t slice) const { return owners_[slice]; }
  /// The slice that a member owns; none for a follower.
  std::optional<size_t> slice_of(size_t member) const;
  element_range slice(size_t slice) const;
  size_t parts(size_t slice) const;
  /// Of the whole vector.
  element_range part(size_t slice, size_t part) const;
  size_t parts_total() const;

 private:
  butterfly_plan() = default;

  std::vector<butterfly_member> members_;
  std::vector<size_t> owners_;
  std::vector<size_t> bounds_;  // slices + 1
  size_t elements_ = 0;
  size_t part_elements_max_ = 0;
};

/// A part to be sent; `data` stays valid and constant as long as the butterfly and the local
/// vector.
template <class T>
struct butterfly_send {
  worker_id to;
  bool reduced = false;  ///< false: our share of the sum, for the owner; true: the finished sum
  uint32_t slice = 0;
  uint32_t part = 0;
  const T* data = nullptr;
  size_t count = 0;
};

template <class T>
struct butterfly_outcome {
  std::optional<averaging_errc> error;
  bool duplicate = false;  ///< nothing changed: it was here already
  std::vector<butterfly_send<T>> send;
};

/// Who has not delivered: contributions to our slice, and finished sums of theirs. A member in the
/// second list only may itself be waiting for one in the first list of somebody else.
struct butterfly_missing {
  std::vector<worker_id> contributions;
  std::vector<worker_id> sums;
};

/// One member's side of one all-reduce: sum over the contributing members, for T = float or
/// std::int64_t (which wraps).
///
///     own vector --parts--> owner of each slice --sums in member order--> everybody
///
/// The sum of an element is taken in member order whatever the order of arrival, so the result has
/// the same bits at every member and in every run. What arrives too early waits; that is at most
/// (contributors - 2) copies of our own slice. Repeats are ignored, so every message may be resent.
/// The local vector is only read, and must stay as it is until this object is gone.
template <class T>
class butterfly {
 public:
  /// `own` may be null for a follower. Nothing and an error if `self` is no member or `count` is
  /// not the group's element count.
  static std::optional<butterfly> make(butterfly_plan plan, worker_id self, const T* own,
                                       size_t count, averaging_errc* error = nullptr);

  /// What to send first; call it once, before or after parts have come in. A sole contributor's
  /// sums are among it.
  std::vector<butterfly_send<T>> start();

  /// All that has been sent so far, to be sent again.
  std::vector<butterfly_send<T>> sent() const;

  /// A member's share of our slice. A repeat is answered with the finished sum.
  butterfly_outcome<T> accept_part(worker_id from, uint32_t slice, uint32_t part, const T* data,
                                   size_t count);
  /// A finished sum, from its owner.
  butterfly_outcome<T> accept_reduced(worker_id from, uint32_t slice, uint32_t part, const T* data,
                                      size_t count);

  bool done() const { return parts_missing_ == 0; }
  size_t parts_missing() const { return parts_missing_; }
  butterfly_missing missing() const;
  const butterfly_plan& plan() const { return plan_; }
  /// Elements that wait for a predecessor's share.
  size_t waiting_elements() const { return waiting_elements_; }

  /// The sum; only meaningful when done.
  const std::vector<T>& result() const { return result_; }
  result_hash hash() const;

 private:
  /// A part of our own slice on its way to becoming a sum.
  struct accumulation {
    size_t next = 0;                      ///< contributors added so far
    std::vector<std::vector<T>> waiting;  ///< by contributor; empty: not here
    std::vector<bool> arrived;
  };

  butterfly(butterfly_plan plan, size_t self, const T* own);
  void add(accumulation& sum, element_range range, const T* data);
  bool advance(size_t part);
  std::optional<averaging_errc> check(uint32_t slice, uint32_t part, size_t count) const;
  /// Our shares of the others' slices.
  std::vector<butterfly_send<T>> contributions() const;
  void broadcast(size_t part, std::vector<butterfly_send<T>>& out) const;

  butterfly_plan plan_;
  size_t self_ = 0;
  std::optional<size_t> own_slice_;
  const T* own_ = nullptr;
  std::vector<T> result_;
  std::vector<accumulation> sums_;          // by part of our slice
  std::vector<std::vector<bool>> present_;  // by slice and part
  size_t parts_missing_ = 0;
  size_t waiting_elements_ = 0;
};

extern template class butterfly<float>;
extern template class butterfly<std::int64_t>;

}  // namespace swarm::averaging
