#pragma once

#include "experiments/transport_rivals/rival.hpp"

namespace swarm::experiments {

/// Frames as messages of actors over CAF's own network layer. Settings: tls=FOLDER as ours.
rival_way caf_network_way();

}  // namespace swarm::experiments
