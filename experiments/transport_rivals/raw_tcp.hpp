#pragma once

#include <memory>
#include <string>

#include "experiments/transport_rivals/rival.hpp"

namespace swarm::experiments {

/// One blocking connection, a length before each message, buffers that are used again.
std::unique_ptr<rival_client> raw_tcp_client(const std::string& address);
/// Ends the process when standard input ends.
void serve_raw_tcp(const std::string& host);

}  // namespace swarm::experiments
