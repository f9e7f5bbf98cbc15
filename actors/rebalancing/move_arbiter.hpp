#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "actors/rebalancing/swarm_view.hpp"

namespace swarm::rebalancing {

/// Why a move was not granted. The mover stays where it is and may ask again later.
enum class refusal_reason : uint8_t {
  unknown_worker = 1,  ///< not announced, or another life of its peer is
  wrong_source,        ///< it does not work at the stage that it wants to leave
  unknown_stage,
  same_stage,
  source_busy,     ///< another worker is leaving that stage, or coming to it
  target_busy,     ///< another worker is coming to that stage, or leaving it
  last_of_stage,   ///< nobody else would serve the stage that it wants to leave
  already_moving,  ///< it holds a grant for another move, or has not been seen since one expired
  arbiter_is_new,  ///< what an earlier leader granted may still be under way
};

/// A sentence, with what to do.
const char* to_sentence(refusal_reason reason);

struct move_arbiter_options {
  /// From the grant until its slots are free again, if the mover is not heard of.
  seconds grant_lifetime{60};
  /// How long before that the mover must have left; longer than an announcement travels.
  seconds leave_margin{20};
};

struct move_grant {
  move what;
  /// The mover leaves its stage before this moment or not at all. One that was joining when it
  /// asked and has begun to serve asks again first.
  seconds leave_before{0};
};

/// Decides who may move; owned by the coordinator that leads. It knows the workers from what they
/// announce, and grants one move per stage at a time, whether the stage is the source or the
/// target. A slot is free again when the mover is seen in its target (joining is enough), is gone,
/// gives the grant back, or lets it expire.
///
/// The promise: no move that was granted empties a stage of those who serve it, unless somebody
/// else of the stage dies after the grant. A mover therefore counts as gone from its source from
/// the grant on, also after an expired one, until it is seen there again.
///
/// A new leader does not know what the last one granted, at most one move out of each stage. For a
/// grant's lifetime it grants nothing but moves into an empty stage, out of one that has two
/// others. Limit: two changes of leader within that time while a stage is empty.
class move_arbiter {
 public:
  /// `now`: when the leader took over. Preconditions: a stage, leave_margin < grant_lifetime.
  move_arbiter(int32_t stages, seconds now, const move_arbiter_options& options = {});

  /// It has announced itself; again after every change, and from time to time. A later life of a
  /// peer replaces the earlier one, which is not heard any more. Stages that do not exist are
  /// ignored.
  void seen(worker_id who, stage_id stage, worker_state state, seconds now);
  /// It is dead or has left. A later life of its peer stays.
  void gone(worker_id who);

  /// Asking again for the same move while the grant holds gets the same answer, unless the mover
  /// has become the last of its stage: then it must not go, whatever it heard before.
  /// `as`: what the mover says it is now; its last announcement may still be under way.
  std::variant<move_grant, refusal_reason> ask(const move& what, seconds now,
                                               std::optional<worker_state> as = std::nullopt);
  /// The mover stays after all.
  void give_back(worker_id who);

  /// For telemetry.
  size_t grants_open(seconds now);

 private:
  struct entry {
    worker_id id;
    stage_id stage;
    worker_state state = worker_state::joining;
    /// A grant that expired was not followed by an announcement yet: it may have left.
    bool in_doubt = false;
  };
  struct open_grant {
    move_grant given;
    seconds expires{0};
  };

  bool exists(stage_id stage) const { return stage.value() >= 0 && stage.value() < stages_; }
  bool is_moving(peer_id peer) const { return grants_.count(peer) != 0; }
  bool is_busy(stage_id stage) const;
  /// Of the workers that are surely there, `who` not counted.
  size_t others(worker_id who, stage_id stage, bool only_serving) const;
  bool is_empty(stage_id stage) const;
  void expire(seconds now);
  std::variant<move_grant, refusal_reason> grant(const move& what, seconds now);

  int32_t stages_;
  seconds began_;
  move_arbiter_options options_;
  std::map<peer_id, entry> workers_;
  std::map<peer_id, open_grant> grants_;
};

}  // namespace swarm::rebalancing
