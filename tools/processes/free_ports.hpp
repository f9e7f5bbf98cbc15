#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace swarm::tools {

/// So many TCP ports of loopback that nobody listens on now, all different; fewer when there are
/// none left.
std::vector<uint16_t> free_ports(size_t count);

/// A program could listen there on loopback now. Somebody else may take it a moment later: who
/// binds it in earnest still has to look.
bool is_free(uint16_t port);

}  // namespace swarm::tools
