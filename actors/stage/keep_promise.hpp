#pragma once

#include <algorithm>
#include <cstdint>

namespace swarm::stage {

/// Good states in a row until a withdrawn promise is given again: after the first failure, and at
/// most, however often it has failed.
inline constexpr uint32_t regain_first = 3;
inline constexpr uint32_t regain_max = 1'024;

/// Whether a store still promises that a later process finds what it is given, as told from how its
/// writes end. Without files or actors.
///
///     kept --a state or a sum is not written--> withdrawn
///     withdrawn --so many states in a row, and the last sum, are written--> kept
///
/// A disk that is full at every other step would be a word a step: after each failure twice as many
/// good states are needed as after the one before, until as many have been written without one.
class keep_promise {
 public:
  enum class kind : uint8_t { state, sum };
  enum class verdict : uint8_t { none, withdrawn, regained };

  /// One write has ended.
  verdict wrote(kind what, bool good) {
    bad(what) = !good;
    if (!good) {
      good_states_ = 0;
      if (withdrawn_) return verdict::none;
      withdrawn_ = true;
      needed_ = std::min(needed_ == 0 ? regain_first : 2 * needed_, regain_max);
      return verdict::withdrawn;
    }
    if (what == kind::state && good_states_ < regain_max) ++good_states_;
    if (!withdrawn_) {
      if (good_states_ == regain_max) needed_ = 0;
      return verdict::none;
    }
    if (bad_state_ || bad_sum_ || good_states_ < needed_) return verdict::none;
    withdrawn_ = false;
    return verdict::regained;
  }

  bool withdrawn() const { return withdrawn_; }
  /// The last one of its kind was not written.
  bool failed(kind what) const { return what == kind::state ? bad_state_ : bad_sum_; }

 private:
  bool& bad(kind what) { return what == kind::state ? bad_state_ : bad_sum_; }

  bool withdrawn_ = false;
  bool bad_state_ = false;
  bool bad_sum_ = false;
  uint32_t good_states_ = 0;  ///< in a row
  uint32_t needed_ = 0;       ///< of them, the next time
};

}  // namespace swarm::stage
