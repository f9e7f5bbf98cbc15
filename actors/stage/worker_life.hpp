#pragma once

#include <cstdint>

namespace swarm::stage {

/// Where a stage worker's life stands.
enum class life_state : uint8_t {
  starting,   ///< nothing is decided yet
  loading,    ///< what its last life left is on its way into the engine
  waiting,    ///< wants its stage's state and knows nobody who has it
  fetching,   ///< downloads it, and follows the steps meanwhile
  finishing,  ///< all of it is here; the last step is put in, or waited for
  serving,    ///< one of its stage
  restoring   ///< goes back to weights that the coordinator has named
};
inline constexpr int life_states = 7;

enum class life_event : uint8_t {
  load,     ///< there is a stored state
  unfit,    ///< the engine does not take it
  fetch,    ///< its state is missing, or has missed a step: it wants another
  donor,    ///< somebody can be asked for it
  whole,    ///< all shards are here at the same weights
  missed,   ///< a step was missed, so that some shards are not of use any more
  ready,    ///< the engine stands where the guard says
  restore,  ///< the coordinator has named weights that it does not stand at
  none,     ///< nobody has them
  yield     ///< others who began at the same time go first
};
inline constexpr int life_events = 10;

/// What a worker does when, as a table, without actors:
///
///             load    unfit   fetch   donor    whole     missed   ready   restore   none    yield
///   starting  loading !       waiting -        !         !        serving restoring !       !
///   loading   !       waiting !       -        !         !        serving restoring !       !
///   waiting   !       !       -       fetching !         -        serving restoring !       -
///   fetching  !       !       -       -        finishing -        serving restoring ! waiting
///   finishing !       !       -       -        -         fetching serving restoring !       !
///   serving   !       !       waiting -        !         !        !       restoring !       !
///   restoring !       !       -       -        -         -        serving restoring waiting !
///
/// -: nothing changes; !: must not happen, and changes nothing. From waiting and fetching it serves
/// with what it had, when all of its stage have fallen back at once and nothing has come yet.
///
/// Answers of the engine come late: whoever asks remembers `attempt`, which grows whenever what is
/// in the engine is given up, and drops the answer when another one has begun:
///
///   1. fetching: the last shard is sent to the engine
///   2. Restore comes: restoring, the engine is sent another state
///   3. the engine answers 1: of an older attempt, so nobody serves with it
class worker_life {
 public:
  enum class outcome : uint8_t { changed, ignored, refused };

  outcome on(life_event event);

  life_state state() const { return state_; }
  bool serving() const { return state_ == life_state::serving; }
  /// Takes part in the all-reduces with weight zero.
  bool follows() const { return state_ == life_state::fetching || state_ == life_state::finishing; }
  uint64_t attempt() const { return attempt_; }

 private:
  life_state state_ = life_state::starting;
  uint64_t attempt_ = 0;
};

const char* to_string(life_state state);

}  // namespace swarm::stage
