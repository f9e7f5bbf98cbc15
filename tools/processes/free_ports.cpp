#include "tools/processes/free_ports.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace swarm::tools {

std::vector<uint16_t> free_ports(size_t count) {
  std::vector<uint16_t> result;
  // Held until all are found, so that none comes twice.
  std::vector<int> held;
  for (size_t i = 0; i < count; ++i) {
    const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0) break;
    held.push_back(s);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* any = reinterpret_cast<sockaddr*>(&address);
    if (bind(s, any, size) != 0 || getsockname(s, any, &size) != 0) break;
    result.push_back(ntohs(address.sin_port));
  }
  for (const int s : held)
    close(s);
  return result;
}

}  // namespace swarm::tools
