#pragma once

#include <string>

namespace swarm::experiments {

/// Listens at a port of loopback and passes the bytes of every connection to another port and back
/// until the process ends: a cable that can be frozen. A sentence when it cannot listen.
std::string relay(int port, int to);

}  // namespace swarm::experiments
