#pragma once

#include <cstdint>
#include <vector>

namespace swarm::tools {

/// Most peers alive at one moment of a trace.
inline constexpr int64_t trace_peers_max = 100'000;

/// Peers come or go at one moment.
struct trace_change {
  double time_seconds = 0;
  int64_t delta = 0;  ///< positive: so many come; negative: so many are preempted
};

/// How many machines a fleet has, as its provider gives and takes them. Which ones go is not said.
struct preemption_trace {
  int64_t peers_at_start = 0;
  std::vector<trace_change> changes;  ///< in the order of time; the live count is never negative
  double end_seconds = 0;             ///< of the last change, or later
};

}  // namespace swarm::tools
