#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "actors/ids.hpp"

namespace swarm::training {

/// Whether the all-reduce of one stage gets on, by what its members say when they are polled
/// (schemas::Reduced), and who is in the way when it does not. No actors; time comes in as seconds.
///
/// | member | event | then |
/// |---|---|---|
/// | working | more parts than before | working, from now |
/// | working | as many parts | working, since then |
/// | working | its result | through |
/// | any | lost | out of the picture; the others are working from now |
///
/// A working member at which nothing has moved for longer than `patience_s` stands still. Whoever
/// it waits for may be working, slowly; may stand still itself, because it waits for a third; or is
/// the root: it waits for nobody, or has all it needs, and does not answer. In a ring of members
/// that wait for each other the one that most of those who stand still wait for is given up.
///
/// Guarded against: 1. a member's link to one owner is cut, so it stands still; 2. the owner is
/// through, and so are the others. Only who waits knows for whom, so the owner, not the one that
/// waits, is named: another can take its part over.
class reduce_watch {
 public:
  /// `at_least_s`: what moved within this time does not stand still.
  explicit reduce_watch(double at_least_s) : at_least_s_(at_least_s) {}

  /// Another all-reduce begins. What the last one has taught about the pace is kept.
  void begin(const std::vector<worker_id>& members, double now_s);
  void heard(worker_id member, uint32_t parts_done, std::vector<worker_id> waiting_for,
             double now_s);
  /// A microbatch of somebody who died has been computed again: whoever waits for it waits well.
  void share_computed(double now_s);
  void through(worker_id member) { working_.erase(member); }
  /// The others have to be told, and to ask somebody else: their time begins anew.
  void lost(worker_id member, double now_s);

  /// A multiple of the longest time in which nothing moved and then something did, in this
  /// all-reduce and the one before.
  double patience_s() const;

  /// Who is to be given up; nobody while all that waits, waits for somebody who works. While
  /// microbatches of the dead are computed again, the patience is `at_least_s`.
  std::optional<worker_id> in_the_way(double now_s, double at_least_s = 0) const;

 private:
  struct member {
    uint32_t parts_done = 0;
    double moved_s = 0;
    std::vector<worker_id> waiting_for;
  };

  /// Somebody whom it waits for, or whom that one waits for, has moved since then.
  bool waits_for_work(worker_id who, double since_s, std::set<worker_id>& seen) const;
  void moved(member& who, double now_s);

  double at_least_s_;
  std::map<worker_id, member> working_;
  std::set<worker_id> lost_;
  double longest_gap_s_ = 0;
  double last_longest_gap_s_ = 0;
};

}  // namespace swarm::training
