#pragma once

#include <cstdint>

#include "actors/rebalancing/policy.hpp"
#include "tools/traces/trace.hpp"

namespace swarm::experiments {

/// A fleet in virtual time. Compute and network are modelled; what decides is the production code:
/// the policies and the arbiter of actors/rebalancing.
struct rebalancing_run {
  rebalancing::policy_kind policy = rebalancing::policy_kind::throughput;
  rebalancing::policy_options options;
  tools::preemption_trace trace;
  uint64_t seed = 1;
  double hours = 32;
  size_t stages = 4;
  /// 1: all devices are equal; else speeds are 1, 2, 4, ... up to this, equally often.
  int64_t speed_max = 1;
  /// Peers that go at the same moment go from one of so many zones, as long as it has any. The
  /// first fleet was started zone by zone, so that a zone holds neighbouring stages; newcomers come
  /// from any zone. 1: they go at random.
  size_t zones = 4;
  /// Per microbatch and stage, of a device of speed 1.
  double service_seconds = 2;
  double state_bytes = 1.21e9;
  double bytes_per_second = 25e6;
  /// Microbatches that go round, per live peer.
  double in_flight_per_peer = 2;
  /// Between two announcements of a peer; `queue` announces every T, as published. Records must be
  /// allowed to be older (estimate_options::record_age_max).
  double announce_seconds = 30;
  /// Until others hear that a peer has changed its stage, serves, or is new.
  double announcement_travels_seconds = 1;
  /// Until others know that a peer is dead.
  double detection_seconds = 15;
  /// Moves wait for the end of a step of this length, but for those into an empty stage. 0: none.
  double step_seconds = 0;
};

struct rebalancing_findings {
  /// Throughput of the slowest stage over that of the best assignment of the live peers at the same
  /// moment, averaged over time; moments with fewer peers than stages are left out.
  double overall = 0;
  double first_hour = 0;
  double last_hour = 0;
  bool last_hour_counts = false;  ///< it had a moment with as many peers as stages
  /// Microbatches that came out of the queues over those the best assignment could have done.
  double delivered = 0;
  double peer_hours = 0;
  int64_t moves = 0;
  int64_t moves_after_first_hour = 0;
  int64_t newcomers = 0;
  int64_t refusals = 0;
  double moved_bytes = 0;
  /// Stages that lost the last one who served by a move, and those where that was because somebody
  /// of the stage had died and nobody knew it yet.
  int64_t emptied_by_moves = 0;
  int64_t emptied_by_late_news = 0;
  double empty_seconds_longest = 0;  ///< nobody serves a stage though there are peers enough
  int64_t live_at_end = 0;
};

/// Deterministic given the run. Takes time in proportion to peers x hours.
rebalancing_findings simulate(const rebalancing_run& run);

}  // namespace swarm::experiments
