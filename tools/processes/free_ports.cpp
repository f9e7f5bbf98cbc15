#include "tools/processes/free_ports.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace swarm::tools {

namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

std::vector<uint16_t> free_ports(size_t count) {
  std::vector<uint16_t> result;
  // Held until all are found, so that none comes twice.
  std::vector<int> held;
  for (size_t i = 0; i < count; ++i) {
    const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0) break;
    held.push_back(s);
    auto address = loopback(0);
    socklen_t size = sizeof(address);
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (bind(s, any, size) != 0 || getsockname(s, any, &size) != 0) break;
    result.push_back(ntohs(address.sin_port));
  }
  for (const int s : held)
    close(s);
  return result;
}

bool is_free(uint16_t port) {
  const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (s < 0) return false;
  // As who listens there does: what is left of closed connections is not in the way.
  const int yes = 1;
  auto address = loopback(port);
  const bool free = setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
                    bind(s, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
                    listen(s, 1) == 0;
  close(s);
  return free;
}

}  // namespace swarm::tools
