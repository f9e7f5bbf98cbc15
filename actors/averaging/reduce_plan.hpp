#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "actors/averaging/errc.hpp"
#include "actors/ids.hpp"
#include "actors/limits.hpp"

namespace swarm::averaging {

constexpr size_t parts_max = size_t{1} << 22;
/// A lost member's unit is computed again by so many helpers.
constexpr size_t shares_max = 16;
/// Parts begin at multiples of this, so that vector loads stay aligned.
constexpr size_t part_alignment_elements = 16;
constexpr size_t part_elements_max = size_t{64} * 1024;
/// The automatic size of parts goes no lower: below it a message costs more than its bytes.
constexpr size_t part_elements_min = size_t{16} * 1024;

struct reduce_member {
  worker_id id;
  /// False: a follower. It sends nothing, owns nothing, and receives the result.
  bool contributes = true;
  /// What it owns is in proportion. All zero counts as all equal.
  uint32_t bandwidth = 0;
};

/// A contributor that counts as dead: whatever it still sends is void. Its microbatches are cut
/// into shares, which helpers compute again; each for some of the parts only, so that what one
/// helper has to send besides its own vector is short.
struct reduce_loss {
  size_t member = 0;            ///< index
  std::vector<size_t> helpers;  ///< by share; may be replaced in a later revision
  /// Divides the number of shares. Each is of one slice of the parts.
  size_t slices = 1;

  /// Whether the part's sum needs this share.
  bool covers(uint32_t share, uint32_t part) const { return share % slices == part % slices; }
};

/// Half-open range of elements.
struct element_range {
  size_t begin = 0;
  size_t count = 0;
};

/// The size of parts for this vector, the same at every member: enough parts for owners to be
/// equally loaded, and none that holds up what is behind it for long.
size_t part_elements_for(size_t elements, size_t contributors);

/// Who owns which part: a function of the members and of the losses in their order, and so the same
/// at every member, also at one that has not heard of each revision. Contributors get runs of
/// parts in proportion to their bandwidth. With each loss the parts that the lost member owns then
/// are dealt one by one, from the next member on, among the contributors that are not lost yet.
class reduce_plan {
 public:
  /// Nothing and an error if the group makes no sense. `part_elements` 0: part_elements_for.
  static std::optional<reduce_plan> make(std::vector<reduce_member> members, size_t elements,
                                         size_t part_elements = 0, averaging_errc* error = nullptr);

  /// The members of a later order of the attempt: those known, and behind them followers who have
  /// come meanwhile. Who owns what stays as it is. On an error nothing has changed.
  std::optional<averaging_errc> add_followers(const std::vector<reduce_member>& members);
  /// All losses so far: those known, with the same numbers of shares and slices and perhaps other
  /// helpers, and further ones. Helpers are contributors that are not lost. On an error nothing has
  /// changed.
  std::optional<averaging_errc> revise(const std::vector<reduce_loss>& losses,
                                       std::vector<uint32_t>* dealt = nullptr);

  const std::vector<reduce_member>& members() const { return members_; }
  const std::vector<reduce_loss>& losses() const { return losses_; }
  size_t elements() const { return elements_; }
  size_t contributors() const { return contributors_; }
  std::optional<size_t> index_of(worker_id id) const;
  bool lost(size_t member) const { return loss_of_[member] >= 0; }
  /// Null if the member is not lost.
  const reduce_loss* loss_of(size_t member) const;

  uint32_t parts() const { return static_cast<uint32_t>(owners_.size()); }
  element_range part(uint32_t part) const;
  size_t owner(uint32_t part) const { return owners_[part]; }
  /// The owner before any loss.
  size_t first_owner(uint32_t part) const { return first_owners_[part]; }

 private:
  reduce_plan() = default;
  void deal(size_t lost, std::vector<uint32_t>* dealt);

  std::vector<reduce_member> members_;
  std::unordered_map<worker_id, size_t> index_;
  std::vector<reduce_loss> losses_;
  std::vector<int> loss_of_;  // by member; -1: not lost
  std::vector<uint32_t> owners_;
  std::vector<uint32_t> first_owners_;
  size_t elements_ = 0;
  size_t part_elements_ = 0;
  size_t contributors_ = 0;
};

}  // namespace swarm::averaging
