#pragma once

#include <cstdint>

namespace swarm {

/// Mistakes that a test can switch on to prove that the checkers find them (tests/negative). The
/// code asks `planted` where the mistake would be made. They are there only in what is built with
/// SWARM_PLANTED_BUGS, which tests/negative is (swarm_planted_binary); everywhere else `planted` is
/// a constant, and no branch is left.
enum class planted_bug : uint8_t {
  none,
  double_count_on_retry,        ///< a repeated backward is added again
  set_without_dedupe,           ///< two copies of a request at once both count
  stale_version_accepted,       ///< a request for an older version is computed
  lower_term_accepted,          ///< a replaced coordinator is obeyed
  late_after_freeze,            ///< a gradient is added after the set was reported
  drop_keeps_the_set,           ///< the sum is forgotten, the set is not
  commit_of_another_round,      ///< a commit applies whatever sum is there
  commit_applied_twice,         ///< a repeated commit makes another optimizer step
  lease_lost_with_its_trainer,  ///< a dead trainer's leases do not come back
  lease_expiry_forgotten,       ///< a silent trainer's leases do not come back
  extra_not_reconciled,         ///< two holders of one microbatch are let through
  lacking_not_replayed,         ///< a microbatch that nobody holds is let through
  reduce_hash_not_compared,     ///< members whose sums a repeated part made differ are let through
  commit_before_all_reduced,    ///< one stage's sum is enough
  clip_of_one_stage,            ///< the clip factor sees the first stage's norm only
  dead_donor_taken_as_fresh,    ///< half a download counts when its donor dies
  checksum_not_compared,        ///< a state with a hole is taken
  chunks_of_two_versions,       ///< a download goes on with another snapshot
  take_over_without_asking,     ///< a new coordinator begins at its own version
  take_over_forgets_commit,     ///< a half-applied commit is gathered again
  commit_not_repeated,          ///< a lost commit stays lost
  follower_skips_a_step,        ///< a joiner serves without the steps it missed
  part_added_twice,             ///< a repeated part of an all-reduce counts again
  retry_without_backoff,        ///< a trainer asks an empty stage again at once
  rescue_never_begins,          ///< a stage that has lost everybody is waited for
  every_move_granted,           ///< the last worker of a stage may leave it
  children_left_behind,         ///< a supervisor ends without its children
};

#ifdef SWARM_PLANTED_BUGS

namespace detail {
inline planted_bug planted_now = planted_bug::none;
}

inline bool planted(planted_bug which) {
  return detail::planted_now == which;
}

#else

constexpr bool planted(planted_bug) {
  return false;
}

#endif

}  // namespace swarm
