#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "actors/ids.hpp"
#include "actors/training/held_bitmap.hpp"

namespace swarm::training {

/// Shares that one helper computes at most: each is another gradient in its memory.
inline constexpr size_t helper_shares_max = 1;
/// A lost member's microbatches are cut into so many pieces at most: what has left a helper already
/// has to be sent once more for each of them.
inline constexpr size_t loss_pieces_max = 4;
/// Each piece is computed by so many helpers at most, of which each sends a slice of the parts: a
/// vector of 1 GB takes 40 s over a line of 200 Mb/s, half of an all-reduce.
inline constexpr size_t loss_slices_max = 4;
/// One of so many members that are free to help is taken, the others are left for further losses;
/// but two where there are two. A hundred members bear sixteen losses in one all-reduce: a burst
/// may take a tenth of them at once.
inline constexpr size_t free_per_helper = 6;

/// The losses of one stage's all-reduce, so that it goes on instead of beginning again
/// (actors/averaging/README.md): who is lost, and who computes its microbatches again. No actors.
///
/// The order of members and losses, and the cut of each loss into shares, never change within a
/// round; a share's helper does when it is lost itself. Each change is a new revision.
class group_repair {
 public:
  struct share {
    worker_id helper;
    held_bitmap microbatches;
  };
  struct loss {
    uint32_t member = 0;  ///< index in members()
    /// Piece by piece, each for every slice of the parts: share k is of the parts p with
    /// p mod slices = k mod slices.
    std::vector<share> shares;
    size_t slices = 1;
  };
  /// One microbatch to be computed for a share by its helper.
  struct task {
    worker_id helper;
    microbatch_id microbatch{0};
    uint32_t member = 0;
    uint32_t share = 0;
  };

  group_repair() = default;
  /// The contributing members, and what each holds.
  explicit group_repair(const std::map<worker_id, held_bitmap>& held);

  const std::vector<worker_id>& members() const { return members_; }
  const std::vector<loss>& losses() const { return losses_; }
  uint32_t revision() const { return revision_; }
  /// In members(); nothing for anybody else.
  std::optional<uint32_t> index_of(worker_id worker) const;
  bool is_member(worker_id worker) const { return index_of(worker).has_value(); }
  bool is_lost(worker_id worker) const { return lost_.count(worker) != 0; }

  /// False: the round cannot be repaired. It has to begin again with whoever is left: no helper is
  /// free, nobody else is there, or most of the group is gone.
  bool lose(worker_id worker);

  /// What the last losses ask for; each is handed out once.
  std::vector<task> take_tasks();

 private:
  std::optional<worker_id> free_helper() const;
  size_t free_helpers() const;
  bool cut(uint32_t member);
  bool replace_helper(worker_id gone);
  void ask_for(const loss& of, uint32_t share);

  std::vector<worker_id> members_;
  std::vector<held_bitmap> held_;
  std::set<worker_id> lost_;
  std::vector<loss> losses_;
  std::map<worker_id, size_t> helps_;  ///< shares by helper
  std::vector<task> tasks_;
  uint32_t revision_ = 0;
};

}  // namespace swarm::training
