#pragma once

#include <chrono>
#include <cstdint>

#include "actors/ids.hpp"

namespace swarm::simulation {

/// A simulated machine. Survives the kill and restart of what runs on it.
using host_id = strong_id<struct host_tag, uint32_t>;

/// Who watches and drives the simulation: never frozen, killed or slowed, and on no network.
inline constexpr host_id observer{0};

/// Virtual time since the world began.
using moment = std::chrono::nanoseconds;

}  // namespace swarm::simulation
