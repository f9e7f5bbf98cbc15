#include "tests/actors/transport/raw_peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

#include "tests/actors/transport/endpoint_rig.hpp"
#include "tests/actors/transport/packets.hpp"

namespace swarm::transport::test {

raw_peer::raw_peer(const std::string& address) {
  const auto colon = address.rfind(':');
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
  inet_pton(AF_INET, address.substr(0, colon).c_str(), &where.sin_addr);
  socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
  const timeval limit{patience.count(), 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&where), sizeof(where)) != 0)
    throw std::runtime_error{"cannot connect to " + address};
}

raw_peer::~raw_peer() {
  if (socket_ >= 0) ::close(socket_);
}

bool raw_peer::send(const std::vector<uint8_t>& bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    const auto put = ::send(socket_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (put <= 0) return false;
    at += static_cast<size_t>(put);
  }
  return true;
}

std::vector<uint8_t> raw_peer::receive(size_t bytes_max) {
  std::vector<uint8_t> result(bytes_max);
  size_t at = 0;
  while (at < bytes_max) {
    const auto got = ::recv(socket_, result.data() + at, bytes_max - at, 0);
    if (got <= 0) break;
    at += static_cast<size_t>(got);
  }
  result.resize(at);
  return result;
}

bool raw_peer::is_closed() {
  uint8_t scratch[4096];
  for (;;) {
    const auto got = ::recv(socket_, scratch, sizeof(scratch), 0);
    if (got == 0) return true;
    if (got < 0) return errno == ECONNRESET;
  }
}

void raw_peer::reset() {
  const linger at_once{1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  ::close(std::exchange(socket_, -1));
}

bool raw_peer::introduce(const std::string& greeting) {
  if (!send(beginning(greeting))) return false;
  // The far side's greeting is empty.
  const size_t expected = link_magic.size() + 2 * packet_header_bytes;
  return receive(expected).size() == expected;
}

}  // namespace swarm::transport::test
