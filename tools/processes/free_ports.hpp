#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace swarm::tools {

/// So many TCP ports of loopback that nobody listens on now, all different; fewer when there are
/// none left.
std::vector<uint16_t> free_ports(size_t count);

}  // namespace swarm::tools
