#pragma once

#include "experiments/transport_rivals/rival.hpp"

namespace swarm::experiments {

/// One blocking connection, a length before each message, buffers that are used again.
rival_way raw_tcp_way();

}  // namespace swarm::experiments
