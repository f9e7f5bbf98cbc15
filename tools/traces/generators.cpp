#include "tools/traces/generators.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "actors/random.hpp"

namespace swarm::tools {

namespace {

constexpr double hour_seconds = 3600;
/// Rates that change with time are taken for constant this long.
constexpr double slice_seconds = 60;

double exponential(splitmix64& random, double mean) {
  return -mean * std::log1p(-random.unit());
}

/// Hours until the next event of a Poisson process.
double until(splitmix64& random, double per_hour) {
  return per_hour > 0 ? exponential(random, 1 / per_hour) : std::numeric_limits<double>::infinity();
}

double capacity(const market_trace_options& o, double hours) {
  const auto start = static_cast<double>(o.peers_at_start);
  if (hours <= o.decline_from_hours || o.hours <= o.decline_from_hours) return start;
  const auto end = static_cast<double>(std::max<int64_t>(o.peers_at_end, 1));
  const auto way = (hours - o.decline_from_hours) / (o.hours - o.decline_from_hours);
  return start * std::pow(end / start, way);
}

int64_t taken_by_burst(splitmix64& random, int64_t live, double mean_share) {
  const auto share = std::min(exponential(random, mean_share), burst_share_max);
  int64_t taken = 0;
  for (int64_t i = 0; i < live; ++i)
    if (random.unit() < share) ++taken;
  return taken;
}

}  // namespace

preemption_trace poisson_trace(const poisson_trace_options& options) {
  splitmix64 random{options.seed};
  preemption_trace trace{options.peers_at_start, {}, options.hours * hour_seconds};
  auto live = options.peers_at_start;
  double now = 0;
  for (;;) {
    const auto arrive = until(random, live < trace_peers_max ? options.arrivals_per_hour : 0);
    const auto leave = until(random, options.preemptions_per_peer_hour * static_cast<double>(live));
    now += std::min(arrive, leave);
    if (!(now < options.hours)) return trace;
    const int64_t delta = arrive < leave ? 1 : -1;
    live += delta;
    trace.changes.push_back({now * hour_seconds, delta});
  }
}

preemption_trace market_trace(const market_trace_options& options) {
  splitmix64 random{options.seed};
  preemption_trace trace{options.peers_at_start, {}, options.hours * hour_seconds};
  auto live = options.peers_at_start;
  double now = 0;
  double next_burst = options.bursts_from_hours + until(random, options.bursts_per_hour);
  while (now < options.hours) {
    const auto missing = capacity(options, now) - static_cast<double>(live);
    const auto arrive =
        until(random, live < trace_peers_max ? options.adjustments_per_hour * missing : 0);
    const auto leave = until(random, options.preemptions_per_peer_hour * static_cast<double>(live) +
                                         options.adjustments_per_hour * std::max(0.0, -missing));
    const auto slice_end = now + slice_seconds / hour_seconds;
    const auto next = std::min({now + arrive, now + leave, next_burst, slice_end});
    int64_t delta = 0;
    if (next == next_burst) {
      delta = -taken_by_burst(random, live, options.burst_share);
      next_burst = next + until(random, options.bursts_per_hour);
    } else if (next < slice_end) {
      delta = arrive < leave ? 1 : -1;
    }
    now = next;
    if (delta == 0 || now >= options.hours || live + delta < 0) continue;
    live += delta;
    trace.changes.push_back({now * hour_seconds, delta});
  }
  return trace;
}

}  // namespace swarm::tools
