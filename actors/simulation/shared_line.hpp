#pragma once

#include <cstdint>
#include <vector>

#include "actors/simulation/host_id.hpp"

namespace swarm::simulation {

/// One direction of a host's line, as connections share it. Small messages go first, in their order
/// (the control lane of actors/transport); large ones to, or from, each other host are a flow, and
/// flows get equal parts of the line.
///
/// A message's time is said when it is sent, so it is what the flows of that moment leave it: later
/// ones find it on the line, but do not delay it any more.
class shared_line {
 public:
  /// When these bytes, sent now, are through. 0 bytes per second are no limit. `now` never goes
  /// back.
  moment carry(host_id peer, bool is_control, moment now, uint64_t bytes, double bytes_per_s);

  /// The connection broke: what was queued for it is not sent any more.
  void forget(host_id peer);

  /// Of the flow to, or from, this host: bytes that are not through.
  double queued_bytes(host_id peer) const;

  /// Flows that are not through yet.
  size_t flows() const { return flows_.size(); }

 private:
  /// Bytes are counted as one flow's part of the line has carried them since the beginning.
  struct flow {
    host_id peer;
    double end = 0;
  };

  void advance(moment now, double bytes_per_s);

  std::vector<flow> flows_;  ///< the one that ends first is first
  double carried_ = 0;       ///< by one flow's part
  moment advanced_{0};       ///< later than now: control messages keep the line busy until then
  moment control_until_{0};
};

}  // namespace swarm::simulation
