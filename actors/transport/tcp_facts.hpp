#pragma once

#include <cstdint>
#include <optional>

namespace swarm::transport {

/// What the kernel knows of a connection.
struct tcp_facts {
  uint64_t received_bytes = 0;
  bool unheard = false;  ///< something that was sent is not acknowledged though it was repeated
};

/// Nothing if the kernel does not tell.
std::optional<tcp_facts> look_at(int socket);

}  // namespace swarm::transport
