#pragma once

#include <cstdint>
#include <optional>
#include <set>

#include "actors/ids.hpp"

namespace swarm::training {

/// What a candidate for the coordinator's office is busy with.
enum class duty : uint8_t {
  standing_by,   ///< somebody else leads, or should
  asking,        ///< it asks the workers whether the leader has gone silent for them, too
  taking_over,   ///< it leads a new term, and asks everybody where they stand
  finishing,     ///< it ends a commit that its predecessor had decided
  waiting,       ///< a stage has nobody who could go on; it asks again after a while
  leading,       ///< steps are made
  taking_stock,  ///< a stage is lost: who has which copies?
  moving,        ///< peers are on their way to an empty stage
  restoring      ///< everybody goes back to one version
};
inline constexpr size_t duties = 9;

enum class office_event : uint8_t {
  appointed,      ///< the first coordinator of a new run
  leader_silent,  ///< nobody leads, as far as this candidate hears
  elected,        ///< the workers hear no leader either
  denied,         ///< they do, or none of them answers
  deposed,        ///< a higher term was seen
  level,          ///< all stages stand at one version
  unfinished,     ///< some stages have made a step that others have not
  unready,        ///< a stage has nobody, or nobody who could make that step
  finished,       ///< everybody who was told to commit has answered
  newcomer,       ///< a worker serves that did not
  patience_over,  ///< what was waited for did not come
  overtaken,      ///< a worker stands at a version that this coordinator knows nothing of
  stage_lost,     ///< for so long that the run has to go back
  can_restore,    ///< every stage can go back to one version with the workers that it has
  can_move,       ///< it could with workers of other stages
  cannot,         ///< no version is left, or nobody may move
  moved,          ///< all movers are where they were sent
  restored        ///< everybody has answered
};
inline constexpr size_t office_events = 18;

/// The coordinator's office as a table, without actors or clock: what a candidate is busy with, and
/// whose answers it waits for.
///
/// |              | goes on by |
/// |---|---|
/// | standing_by  | appointed: leading; leader_silent: asking |
/// | asking       | elected: taking_over; denied: standing_by |
/// | taking_over  | level: leading; unfinished: finishing; unready: waiting |
/// | finishing    | finished, patience_over: taking_over |
/// | waiting      | newcomer, patience_over: taking_over; stage_lost: taking_stock |
/// | leading      | overtaken: taking_over; stage_lost: taking_stock |
/// | taking_stock | can_restore: restoring; can_move: moving; cannot: waiting |
/// | moving       | moved, patience_over: taking_stock |
/// | restoring    | restored: taking_over |
///
/// `deposed` leads back to standing_by from everywhere; every other event in any other duty is late
/// and changes nothing. Each change of duties is a new generation: answers to questions of an older
/// one are late, too, and nobody is waited for any more.
class office {
 public:
  duty now() const { return now_; }
  bool is(duty which) const { return now_ == which; }
  /// It has a term of its own: its orders are to be obeyed.
  bool in_office() const { return now_ != duty::standing_by && now_ != duty::asking; }
  uint64_t generation() const { return generation_; }

  /// Nothing: the event means nothing now.
  static std::optional<duty> after(duty from, office_event what);
  /// True: the duty has changed.
  bool on(office_event what);

  // -- whose answers are waited for ---------------------------------------------------------------

  void expect(worker_id id) { awaited_.insert(id); }
  bool expects(worker_id id) const { return awaited_.count(id) != 0; }
  /// It has answered a question of `generation`, or never will. True: it was waited for.
  bool settled(worker_id id, uint64_t generation) {
    return generation == generation_ && awaited_.erase(id) != 0;
  }
  bool all_settled() const { return awaited_.empty(); }
  const std::set<worker_id>& awaited() const { return awaited_; }

 private:
  duty now_ = duty::standing_by;
  uint64_t generation_ = 0;
  std::set<worker_id> awaited_;
};

const char* to_string(duty which);

}  // namespace swarm::training
