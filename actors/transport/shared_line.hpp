#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "actors/transport/fair_turns.hpp"
#include "actors/transport/token_bucket.hpp"

namespace swarm::transport {

/// One direction of a process' line, under a cap that all its links share: sending, or receiving.
///
/// A link says what it has for the line (`want`) and looks whether it is its turn before it takes
/// something; then it says how much it took. Control goes before bulk of whichever link, and
/// overdraws the cap by two bursts (token_bucket), so that bulk of one link does not hold up
/// another's control. Each of the two kinds is shared by bytes (fair_turns). Whoever cannot go on
/// for another reason, a full socket or a window, must want nothing, or the others wait for it.
///
/// Without a cap everybody may go always, and nothing is written down.
class shared_line {
 public:
  /// 0: no cap.
  shared_line(uint64_t bytes_per_s, moment now) : bucket_(bytes_per_s, now) {}

  bool capped() const { return bucket_.capped(); }
  size_t packet_bytes() const { return bucket_.packet_bytes(); }

  struct wish {
    bool control = false;
    bool bulk = false;
  };
  /// In place of what it wanted before.
  void want(link_id who, wish what);
  /// The link has ended.
  void forget(link_id who);

  void advance(moment now) { bucket_.advance(now); }

  bool control_may_go(link_id who) const;
  bool bulk_may_go(link_id who) const;

  /// Sent in its turns. What is not bulk may be more than it was allowed: urgent packets.
  void took(link_id who, size_t bulk_bytes, size_t other_bytes);
  /// Bytes that nobody could hold back. They count up to what control may overdraw, so that bulk
  /// goes on beside a flood of them.
  void came(size_t bytes);

  /// Whose turn it is; nobody's while the cap is used up or nobody wants anything.
  std::optional<link_id> next() const;
  /// When it is somebody's turn again; nothing when nobody wants anything.
  std::optional<moment> opens_at() const;

 private:
  token_bucket bucket_;
  fair_turns control_;
  fair_turns bulk_;
};

}  // namespace swarm::transport
