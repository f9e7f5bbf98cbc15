#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace swarm::transport {

/// What the kernel knows of a connection.
struct tcp_facts {
  uint64_t received_bytes = 0;
  bool unheard = false;  ///< something that was sent is not acknowledged though it was repeated
};

/// Nothing if the kernel does not tell.
std::optional<tcp_facts> look_at(int socket);

/// The way has a narrow place whose routers do not say so (RFC 2923, 2.1).
extern const char* const large_are_lost;

/// "1.5 s"
std::string in_seconds(std::chrono::milliseconds time);

/// A sentence for a connection that did not become a link within `limit`.
std::string why_stuck(int socket, bool shaking_hands, std::chrono::milliseconds limit);

}  // namespace swarm::transport
