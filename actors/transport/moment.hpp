#pragma once

#include <chrono>

namespace swarm::transport {

/// Of the machine's monotonic clock, since an origin of its own.
using moment = std::chrono::nanoseconds;

}  // namespace swarm::transport
