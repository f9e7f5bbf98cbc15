#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace swarm::campaign {

/// Paths through the step transaction that only faults lead to. The production actors report them
/// as telemetry events; a campaign that never reaches one has proved nothing about it.
struct probe {
  const char* event;     ///< as run_result::events names it: the event, or "event: why"
  const char* sentence;  ///< what has happened then
};

const std::vector<probe>& probes();

/// Events that are no probe and not ordinary, so that a new `report` in the actors is noticed.
std::vector<std::string> unknown_events(const std::map<std::string, uint64_t>& events);

}  // namespace swarm::campaign
