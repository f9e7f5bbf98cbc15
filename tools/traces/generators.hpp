#pragma once

#include <cstdint>

#include "tools/traces/trace.hpp"

namespace swarm::tools {

/// Machines that come and go on their own. Limits: rates are not negative; the live count stays
/// below trace_peers_max.
struct poisson_trace_options {
  uint64_t seed = 1;
  double hours = 32;
  int64_t peers_at_start = 400;
  double preemptions_per_peer_hour = 0.04;
  double arrivals_per_hour = 16;
};

/// A Poisson process of arrivals, and each machine lives for an exponential time.
preemption_trace poisson_trace(const poisson_trace_options& options);

/// A spot market. The fleet wants peers_at_start machines and gets what the market has:
///
///     capacity(t) = peers_at_start                        until decline_from_hours
///                   then geometrically to peers_at_end    at the end
///
/// Each machine above the capacity goes, and each below it is granted, at adjustments_per_hour.
/// Besides, every machine goes at preemptions_per_peer_hour, and from bursts_from_hours on bursts
/// come at bursts_per_hour and take each machine with one probability, drawn for the burst from an
/// exponential distribution with mean burst_share and cut at burst_share_max.
struct market_trace_options {
  uint64_t seed = 1;
  double hours = 32;
  int64_t peers_at_start = 400;
  int64_t peers_at_end = 12;
  double decline_from_hours = 0;
  double adjustments_per_hour = 1;
  double preemptions_per_peer_hour = 0.04;
  double bursts_per_hour = 0;
  double bursts_from_hours = 0;
  double burst_share = 0.1;
};

inline constexpr double burst_share_max = 0.9;

/// The bursty trace.
preemption_trace market_trace(const market_trace_options& options);

}  // namespace swarm::tools
