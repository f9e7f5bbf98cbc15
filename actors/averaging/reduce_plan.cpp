#include "actors/averaging/reduce_plan.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace swarm::averaging {

namespace {

/// So many parts for each owner, if they do not get too small.
constexpr size_t parts_per_owner = 128;

std::nullopt_t fail(averaging_errc* error, averaging_errc code) {
  if (error != nullptr) *error = code;
  return std::nullopt;
}

size_t divide_up(size_t a, size_t b) {
  return a / b + (a % b != 0 ? 1 : 0);
}

std::optional<averaging_errc> check_members(const std::vector<reduce_member>& members) {
  if (members.empty() || members.size() > group_members_max) return averaging_errc::bad_group;
  bool somebody = false;
  for (const auto& member : members)
    somebody |= member.contributes;
  if (!somebody) return averaging_errc::bad_group;
  return std::nullopt;
}

/// Runs of parts in proportion to the bandwidths. Whole numbers, so that all processors agree; with
/// parts_max and group_members_max nothing overflows.
std::vector<uint32_t> first_owners_of(const std::vector<reduce_member>& members, uint64_t parts) {
  uint64_t total = 0;
  for (const auto& m : members)
    if (m.contributes) total += m.bandwidth;
  const bool equal = total == 0;
  if (equal)
    for (const auto& m : members)
      total += m.contributes ? 1 : 0;
  std::vector<uint32_t> owners;
  owners.reserve(parts);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < members.size(); ++i) {
    if (!members[i].contributes) continue;
    sum += equal ? 1 : members[i].bandwidth;
    owners.resize(parts * sum / total, i);
  }
  return owners;
}

}  // namespace

size_t part_elements_for(size_t elements, size_t contributors) {
  const size_t wanted = divide_up(elements, std::max<size_t>(1, contributors) * parts_per_owner);
  const size_t aligned = divide_up(wanted, part_alignment_elements) * part_alignment_elements;
  return std::clamp(aligned, part_elements_min, part_elements_max);
}

std::optional<reduce_plan> reduce_plan::make(std::vector<reduce_member> members, size_t elements,
                                             size_t part_elements, averaging_errc* error) {
  if (const auto wrong = check_members(members)) return fail(error, *wrong);
  reduce_plan plan;
  for (size_t i = 0; i < members.size(); ++i) {
    if (!plan.index_.emplace(members[i].id, i).second)
      return fail(error, averaging_errc::bad_group);
    plan.contributors_ += members[i].contributes ? 1 : 0;
  }
  if (part_elements == 0) part_elements = part_elements_for(elements, plan.contributors_);
  const size_t parts = divide_up(elements, part_elements);
  if (parts > parts_max) return fail(error, averaging_errc::bad_part_size);
  plan.first_owners_ = first_owners_of(members, parts);
  plan.owners_ = plan.first_owners_;
  plan.loss_of_.assign(members.size(), -1);
  plan.members_ = std::move(members);
  plan.elements_ = elements;
  plan.part_elements_ = part_elements;
  return plan;
}

std::optional<averaging_errc> reduce_plan::add_followers(
    const std::vector<reduce_member>& members) {
  const auto same = [](const reduce_member& a, const reduce_member& b) {
    return a.id == b.id && a.contributes == b.contributes && a.bandwidth == b.bandwidth;
  };
  const size_t common = std::min(members.size(), members_.size());
  const auto known = members.begin() + static_cast<std::ptrdiff_t>(common);
  if (!std::equal(members.begin(), known, members_.begin(), same) ||
      members.size() > group_members_max)
    return averaging_errc::bad_group;
  std::set<worker_id> fresh;
  for (auto m = known; m != members.end(); ++m)
    if (m->contributes || index_.count(m->id) != 0 || !fresh.insert(m->id).second)
      return averaging_errc::bad_group;
  for (auto m = known; m != members.end(); ++m) {
    index_.emplace(m->id, members_.size());
    members_.push_back(*m);
    loss_of_.push_back(-1);
  }
  return std::nullopt;
}

std::optional<averaging_errc> reduce_plan::revise(const std::vector<reduce_loss>& losses,
                                                  std::vector<uint32_t>* dealt) {
  if (losses.size() < losses_.size() || losses.size() >= contributors_)
    return averaging_errc::bad_losses;
  std::vector<bool> dead(members_.size(), false);
  for (size_t k = 0; k < losses.size(); ++k) {
    const auto& loss = losses[k];
    if (loss.member >= members_.size() || !members_[loss.member].contributes || dead[loss.member] ||
        loss.helpers.size() > shares_max || loss.slices == 0 ||
        loss.helpers.size() % loss.slices != 0)
      return averaging_errc::bad_losses;
    if (k < losses_.size() &&
        (losses_[k].member != loss.member || losses_[k].helpers.size() != loss.helpers.size() ||
         losses_[k].slices != loss.slices))
      return averaging_errc::bad_losses;
    dead[loss.member] = true;
  }
  for (const auto& loss : losses)
    for (const size_t helper : loss.helpers)
      if (helper >= members_.size() || !members_[helper].contributes || dead[helper])
        return averaging_errc::bad_losses;
  const size_t known = losses_.size();
  losses_ = losses;
  for (size_t k = known; k < losses_.size(); ++k) {
    loss_of_[losses_[k].member] = static_cast<int>(k);
    deal(losses_[k].member, dealt);
  }
  return std::nullopt;
}

void reduce_plan::deal(size_t lost_member, std::vector<uint32_t>* dealt) {
  size_t next = lost_member;
  for (uint32_t p = 0; p < parts(); ++p) {
    if (owners_[p] != lost_member) continue;
    do {
      next = (next + 1) % members_.size();
    } while (!members_[next].contributes || lost(next));
    owners_[p] = static_cast<uint32_t>(next);
    if (dealt != nullptr) dealt->push_back(p);
  }
}

std::optional<size_t> reduce_plan::index_of(worker_id id) const {
  const auto found = index_.find(id);
  if (found == index_.end()) return std::nullopt;
  return found->second;
}

const reduce_loss* reduce_plan::loss_of(size_t member) const {
  return lost(member) ? &losses_[static_cast<size_t>(loss_of_[member])] : nullptr;
}

element_range reduce_plan::part(uint32_t part) const {
  const size_t begin = size_t{part} * part_elements_;
  return {begin, std::min(part_elements_, elements_ - begin)};
}

}  // namespace swarm::averaging
