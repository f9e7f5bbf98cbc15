#pragma once

#include "actors/transport/moment.hpp"

namespace swarm::transport {

/// The machine's monotonic clock, now.
moment now();

}  // namespace swarm::transport
