#include "actors/transport/tcp_facts.hpp"

// The kernel's own: that of the C library lacks the byte counts, and both cannot be had.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>

namespace swarm::transport {

std::optional<tcp_facts> look_at(int socket) {
  tcp_info known{};
  socklen_t size = sizeof(known);
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &known, &size) != 0) return std::nullopt;
  if (size < offsetof(tcp_info, tcpi_bytes_received) + sizeof(known.tcpi_bytes_received))
    return std::nullopt;
  tcp_facts result;
  result.received_bytes = known.tcpi_bytes_received;
  result.unheard = known.tcpi_unacked > 0 && known.tcpi_retransmits > 0;
  return result;
}

}  // namespace swarm::transport
