#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "actors/ids.hpp"

namespace swarm::peer {

/// Another process that has this one's token and began after it.
struct rival {
  std::string announce;  ///< where it is reached; empty: it only dials
  std::string agent;
  int64_t started_unix_ms = 0;
};

/// "the token of peer 1234abcd is in use by swarm peer at 10.0.0.7:7000 since ...: ..."
std::string token_in_use_sentence(peer_id whose, const rival& other);

/// When a process is told that a later life of its own peer is there, and when that is certain.
///
/// A token is one peer's. Two processes with one token would take each other's links for ever, so
/// the one that began earlier gives way (lives in order: admission.hpp). What can happen:
///
/// 1. Two machines, one token. Everybody that has a link of the earlier process and is greeted by
///    the later one keeps the later, and hands its greeting to the earlier one, which cannot be
///    made up: it is signed with the token's key. The earlier one dials again, slower each time, is
///    told again, and when it has been told for `patience` it ends.
/// 2. A restart whose old life is dead, though its connections are not missed yet. The later life
///    takes its place at once; nobody is there to be told.
/// 3. A restart whose old life was stopped and wakes up: it is told as in 1, and ends.
/// 4. A restart with a clock that was set back and no state folder: the new life is the earlier
///    one, and is told so while others still take the dead one for alive. That ends with their
///    silence timeout, before `patience`, and it is let in: it must not end the first time.
/// 5. The two dial each other: both refuse, and each sees in the other's greeting which it is.
/// 6. An earlier life that is told by one and still linked to others, which the later one has not
///    met: it ends all the same, or both would serve as one peer.
class rival_watch {
 public:
  using moment = std::chrono::nanoseconds;

  explicit rival_watch(std::chrono::milliseconds patience) : patience_(patience) {}

  /// It was told. True once it is certain, from then on.
  bool told(const rival& by, moment now);
  const std::optional<rival>& known() const { return known_; }
  bool is_certain() const { return certain_; }

 private:
  std::chrono::milliseconds patience_;
  std::optional<rival> known_;
  moment first_{0};
  moment last_{0};
  bool certain_ = false;
};

}  // namespace swarm::peer
