#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "actors/ids.hpp"

namespace swarm::peer {

/// Records of the DHT expire by the clock, certificates are judged by it: clocks that differ by
/// more are said.
inline constexpr int64_t clock_difference_ms_max = 10'000;

/// "2026-11-27 18:20:11 UTC"
std::string utc_text(int64_t unix_ms);
/// "3 h 0 min", "12 s": the size alone.
std::string duration_text(int64_t ms);

/// Whose clock is wrong, as far as the peers that are connected tell.
class clock_watch {
 public:
  /// Its clock minus ours when it greeted; where it is reached, for people.
  void heard(peer_id who, int64_t ahead_ms, const std::string& address);
  void forget(peer_id who) { others_.erase(who); }

  /// A sentence that names the clock, the difference and what to do, given the own clock now;
  /// nothing while all agree.
  std::optional<std::string> complaint(int64_t unix_ms) const;
  /// More peers differ from us than agree with us.
  bool is_own() const;
  /// At least as many agree with us as differ.
  bool is_others() const { return others_.size() > 1 && !is_own(); }

 private:
  struct other {
    int64_t ahead_ms = 0;
    std::string address;
  };

  std::map<peer_id, other> others_;
};

}  // namespace swarm::peer
