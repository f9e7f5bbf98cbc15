#include "actors/transport/tcp_facts.hpp"

// The kernel's own: that of the C library lacks the byte counts, and both cannot be had.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdio>

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

const char* const large_are_lost =
    "small packets pass and larger ones are lost on the way: try ping -M do -s 1400 to it, and "
    "lower the MTU of the network interface (ip link set DEVICE mtu 1280), of a tunnel above all";

std::string in_seconds(std::chrono::milliseconds time) {
  char text[32];
  std::snprintf(text, sizeof(text), "%g s", static_cast<double>(time.count()) / 1000);
  return text;
}

/// The answer to a dialler begins with a small packet (tls_channel.cpp), so that these three look
/// different here:
///   nothing came, all that was sent is acknowledged: somebody listens and does not speak;
///   nothing came, what was sent is not acknowledged: nothing passes;
///   the small packet came and the certificate behind it did not, or ours is not acknowledged.
std::string why_stuck(int socket, bool shaking_hands, std::chrono::milliseconds limit) {
  const auto within = in_seconds(limit);
  const auto known = look_at(socket);
  const bool heard = known && known->received_bytes > 0;
  if (heard && (shaking_hands || known->unheard)) {
    return "it was connected, but the handshake did not get through within " + within + ": " +
           large_are_lost;
  }
  if (known && known->unheard) {
    return "it was connected, but nothing that is sent to it arrives within " + within +
           ": check the firewalls between";
  }
  if (heard) return "it was connected, but did not greet within " + within;
  return "it was connected, but says nothing within " + within +
         ": check that a peer of a run listens there, not another program";
}

}  // namespace swarm::transport
