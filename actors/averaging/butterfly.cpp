#include "actors/averaging/butterfly.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "actors/averaging/vector_sum.hpp"
#include "actors/planted_bug.hpp"

namespace swarm::averaging {

namespace {

std::nullopt_t fail(averaging_errc* error, averaging_errc code) {
  if (error != nullptr) *error = code;
  return std::nullopt;
}

/// Multiples of the alignment, in proportion to the shares; the last bound is `elements`.
std::vector<size_t> slice_bounds(const std::vector<double>& shares, size_t elements) {
  const size_t units = (elements + slice_alignment_elements - 1) / slice_alignment_elements;
  double total = 0;
  for (double share : shares)
    total += share;
  const bool equal = !(total > 0);
  if (equal) total = static_cast<double>(shares.size());
  std::vector<size_t> bounds{0};
  double sum = 0;
  for (double share : shares) {
    sum += equal ? 1.0 : share;
    const auto unit = static_cast<size_t>(std::floor(static_cast<double>(units) * (sum / total)));
    bounds.push_back(std::min(elements, std::min(unit, units) * slice_alignment_elements));
  }
  bounds.back() = elements;
  return bounds;
}

std::optional<averaging_errc> check_members(const std::vector<butterfly_member>& members) {
  if (members.empty() || members.size() > group_members_max) return averaging_errc::bad_group;
  std::vector<worker_id> ids;
  bool somebody = false;
  for (const auto& member : members) {
    if (!std::isfinite(member.bandwidth_share) || member.bandwidth_share < 0 ||
        member.bandwidth_share > bandwidth_share_max)
      return averaging_errc::bad_share;
    ids.push_back(member.id);
    somebody |= member.contributes;
  }
  std::sort(ids.begin(), ids.end());
  const bool twice = std::adjacent_find(ids.begin(), ids.end()) != ids.end();
  if (twice || !somebody) return averaging_errc::bad_group;
  return std::nullopt;
}

}  // namespace

// -- plan -----------------------------------------------------------------------------------------

std::optional<butterfly_plan> butterfly_plan::make(std::vector<butterfly_member> members,
                                                   size_t elements, size_t part_elements_max,
                                                   averaging_errc* error) {
  if (const auto wrong = check_members(members)) return fail(error, *wrong);
  if (part_elements_max == 0 ||
      elements / part_elements_max >= std::numeric_limits<uint32_t>::max())
    return fail(error, averaging_errc::bad_part_size);
  butterfly_plan plan;
  std::vector<double> shares;
  for (size_t i = 0; i < members.size(); ++i) {
    if (!members[i].contributes) continue;
    plan.owners_.push_back(i);
    shares.push_back(members[i].bandwidth_share);
  }
  plan.bounds_ = slice_bounds(shares, elements);
  plan.members_ = std::move(members);
  plan.elements_ = elements;
  plan.part_elements_max_ = part_elements_max;
  return plan;
}

std::optional<size_t> butterfly_plan::index_of(worker_id id) const {
  for (size_t i = 0; i < members_.size(); ++i)
    if (members_[i].id == id) return i;
  return std::nullopt;
}

std::optional<size_t> butterfly_plan::slice_of(size_t member) const {
  const auto found = std::lower_bound(owners_.begin(), owners_.end(), member);
  if (found == owners_.end() || *found != member) return std::nullopt;
  return static_cast<size_t>(found - owners_.begin());
}

element_range butterfly_plan::slice(size_t slice) const {
  return {bounds_[slice], bounds_[slice + 1] - bounds_[slice]};
}

size_t butterfly_plan::parts(size_t slice) const {
  const size_t count = this->slice(slice).count;
  return count / part_elements_max_ + (count % part_elements_max_ != 0 ? 1 : 0);
}

element_range butterfly_plan::part(size_t slice, size_t part) const {
  const auto whole = this->slice(slice);
  const size_t offset = part * part_elements_max_;
  return {whole.begin + offset, std::min(part_elements_max_, whole.count - offset)};
}

size_t butterfly_plan::parts_total() const {
  size_t total = 0;
  for (size_t s = 0; s < slices(); ++s)
    total += parts(s);
  return total;
}

// -- one member's side ----------------------------------------------------------------------------

template <class T>
std::optional<butterfly<T>> butterfly<T>::make(butterfly_plan plan, worker_id self, const T* own,
                                               size_t count, averaging_errc* error) {
  const auto index = plan.index_of(self);
  if (!index) return fail(error, averaging_errc::not_a_member);
  const bool contributes = plan.members()[*index].contributes;
  if (contributes && (count != plan.elements() || (own == nullptr && count != 0)))
    return fail(error, averaging_errc::wrong_own_size);
  return butterfly(std::move(plan), *index, own);
}

template <class T>
butterfly<T>::butterfly(butterfly_plan plan, size_t self, const T* own)
    : plan_(std::move(plan)), self_(self), own_slice_(plan_.slice_of(self)), own_(own) {
  result_.resize(plan_.elements());
  parts_missing_ = plan_.parts_total();
  for (size_t s = 0; s < plan_.slices(); ++s)
    present_.emplace_back(plan_.parts(s), false);
  if (!own_slice_) return;
  sums_.resize(plan_.parts(*own_slice_));
  for (auto& sum : sums_) {
    sum.waiting.resize(plan_.slices());
    sum.arrived.resize(plan_.slices(), false);
  }
}

template <class T>
std::vector<butterfly_send<T>> butterfly<T>::start() {
  auto out = contributions();
  for (size_t p = 0; p < sums_.size(); ++p)
    if (advance(p)) broadcast(p, out);
  return out;
}

template <class T>
std::vector<butterfly_send<T>> butterfly<T>::sent() const {
  auto out = contributions();
  for (size_t p = 0; p < sums_.size(); ++p)
    if (present_[*own_slice_][p]) broadcast(p, out);
  return out;
}

template <class T>
std::vector<butterfly_send<T>> butterfly<T>::contributions() const {
  std::vector<butterfly_send<T>> out;
  if (!own_slice_) return out;
  // Part by part, and beginning with the neighbour's slice, so that all owners can start at once.
  size_t rounds = 0;
  for (size_t s = 0; s < plan_.slices(); ++s)
    rounds = std::max(rounds, plan_.parts(s));
  for (size_t p = 0; p < rounds; ++p) {
    for (size_t k = 1; k < plan_.slices(); ++k) {
      const size_t s = (*own_slice_ + k) % plan_.slices();
      if (p >= plan_.parts(s)) continue;
      const auto range = plan_.part(s, p);
      out.push_back({plan_.members()[plan_.owner(s)].id, false, static_cast<uint32_t>(s),
                     static_cast<uint32_t>(p), own_ + range.begin, range.count});
    }
  }
  return out;
}

template <class T>
std::optional<averaging_errc> butterfly<T>::check(uint32_t slice, uint32_t part,
                                                  size_t count) const {
  if (part >= plan_.parts(slice)) return averaging_errc::wrong_part;
  if (count != plan_.part(slice, part).count) return averaging_errc::wrong_size;
  return std::nullopt;
}

template <class T>
void butterfly<T>::add(accumulation& sum, element_range range, const T* data) {
  T* target = result_.data() + range.begin;
  if (sum.next == 0) {
    std::memcpy(target, data, range.count * sizeof(T));
  } else {
    add_into(target, data, range.count);
  }
  ++sum.next;
}

/// Adds whatever is next in member order. True: that just finished the part.
template <class T>
bool butterfly<T>::advance(size_t part) {
  auto& sum = sums_[part];
  const auto range = plan_.part(*own_slice_, part);
  if (present_[*own_slice_][part]) return false;
  while (sum.next < plan_.slices()) {
    if (sum.next == *own_slice_) {
      add(sum, range, own_ + range.begin);
      continue;
    }
    auto& waiting = sum.waiting[sum.next];
    if (waiting.empty()) return false;
    add(sum, range, waiting.data());
    waiting_elements_ -= waiting.size();
    std::vector<T>().swap(waiting);
  }
  present_[*own_slice_][part] = true;
  --parts_missing_;
  return true;
}

template <class T>
void butterfly<T>::broadcast(size_t part, std::vector<butterfly_send<T>>& out) const {
  const auto range = plan_.part(*own_slice_, part);
  const size_t n = plan_.members().size();
  for (size_t k = 1; k < n; ++k)
    out.push_back({plan_.members()[(self_ + k) % n].id, true, static_cast<uint32_t>(*own_slice_),
                   static_cast<uint32_t>(part), result_.data() + range.begin, range.count});
}

template <class T>
butterfly_outcome<T> butterfly<T>::accept_part(worker_id from, uint32_t slice, uint32_t part,
                                               const T* data, size_t count) {
  butterfly_outcome<T> out;
  const auto member = plan_.index_of(from);
  if (!member) {
    out.error = averaging_errc::not_a_member;
    return out;
  }
  const auto contributor = plan_.slice_of(*member);
  if (!contributor || *member == self_) {
    out.error = averaging_errc::wrong_sender;
  } else if (!own_slice_ || slice != *own_slice_) {
    out.error = averaging_errc::wrong_slice;
  } else {
    out.error = check(slice, part, count);
  }
  if (out.error) return out;
  auto& sum = sums_[part];
  if (sum.arrived[*contributor]) {
    out.duplicate = true;
    const auto range = plan_.part(slice, part);
    if (planted(planted_bug::part_added_twice)) add_into(result_.data() + range.begin, data, count);
    // Only an owner that errs makes sums differ.
    if (present_[slice][part] && planted(planted_bug::reduce_hash_not_compared))
      add_into(result_.data() + range.begin, data, count);
    // It is sent again because something was lost: perhaps our answer.
    if (present_[slice][part])
      out.send.push_back({from, true, slice, part, result_.data() + range.begin, range.count});
    return out;
  }
  sum.arrived[*contributor] = true;
  advance(part);  // our own share, if it is its turn
  if (sum.next != *contributor) {
    sum.waiting[*contributor].assign(data, data + count);
    waiting_elements_ += count;
    return out;
  }
  add(sum, plan_.part(slice, part), data);
  if (advance(part)) broadcast(part, out.send);
  return out;
}

template <class T>
butterfly_outcome<T> butterfly<T>::accept_reduced(worker_id from, uint32_t slice, uint32_t part,
                                                  const T* data, size_t count) {
  butterfly_outcome<T> out;
  const auto member = plan_.index_of(from);
  if (!member) {
    out.error = averaging_errc::not_a_member;
  } else if (slice >= plan_.slices() || (own_slice_ && slice == *own_slice_)) {
    out.error = averaging_errc::wrong_slice;
  } else if (plan_.owner(slice) != *member) {
    out.error = averaging_errc::wrong_sender;
  } else {
    out.error = check(slice, part, count);
  }
  if (out.error) return out;
  if (present_[slice][part]) {
    out.duplicate = true;
    return out;
  }
  std::memcpy(result_.data() + plan_.part(slice, part).begin, data, count * sizeof(T));
  present_[slice][part] = true;
  --parts_missing_;
  return out;
}

template <class T>
butterfly_missing butterfly<T>::missing() const {
  butterfly_missing out;
  for (size_t s = 0; s < plan_.slices(); ++s) {
    if (own_slice_ && s == *own_slice_) continue;
    const worker_id id = plan_.members()[plan_.owner(s)].id;
    const auto lacks = [&](const accumulation& sum) { return !sum.arrived[s]; };
    if (std::any_of(sums_.begin(), sums_.end(), lacks)) out.contributions.push_back(id);
    const auto& parts = present_[s];
    if (std::find(parts.begin(), parts.end(), false) != parts.end()) out.sums.push_back(id);
  }
  return out;
}

template <class T>
result_hash butterfly<T>::hash() const {
  return hash_of(result_.data(), result_.size() * sizeof(T));
}

template class butterfly<float>;
template class butterfly<std::int64_t>;

}  // namespace swarm::averaging
