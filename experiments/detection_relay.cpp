#include "experiments/detection_relay.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

namespace swarm::experiments {

namespace {

constexpr int waiting_connections_max = 64;
constexpr size_t bytes_at_once = 64 * 1024;

sockaddr_in loopback(int port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(static_cast<uint16_t>(port));
  result.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return result;
}

void send_at_once(int socket) {
  const int yes = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
}

/// Connected pairs of sockets, each under both of its ends.
class cables {
 public:
  explicit cables(int to) : to_(to) {}

  void add(int guest) {
    const int host = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto address = loopback(to_);
    if (connect(host, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      close(host);
      close(guest);
      return;
    }
    send_at_once(host);
    send_at_once(guest);
    other_[host] = guest;
    other_[guest] = host;
  }

  std::vector<pollfd> ends() const {
    std::vector<pollfd> result;
    for (const auto& [end, other] : other_)
      result.push_back({end, POLLIN, 0});
    return result;
  }

  void pass(int from) {
    const auto found = other_.find(from);
    // Its other end may have gone in the same round.
    if (found == other_.end()) return;
    const int to = found->second;
    const auto count = recv(from, buffer_.data(), buffer_.size(), 0);
    if (count > 0 && send_all(to, static_cast<size_t>(count))) return;
    other_.erase(from);
    other_.erase(to);
    close(from);
    close(to);
  }

 private:
  bool send_all(int to, size_t count) {
    for (size_t sent = 0; sent < count;) {
      const auto now = send(to, buffer_.data() + sent, count - sent, MSG_NOSIGNAL);
      if (now <= 0) return false;
      sent += static_cast<size_t>(now);
    }
    return true;
  }

  int to_;
  std::map<int, int> other_;
  std::array<char, bytes_at_once> buffer_{};
};

}  // namespace

std::string relay(int port, int to) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  const auto address = loopback(port);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener, waiting_connections_max) != 0)
    return "port " + std::to_string(port) + ": " + std::strerror(errno);
  cables all{to};
  while (true) {
    auto watched = all.ends();
    watched.push_back({listener, POLLIN, 0});
    if (poll(watched.data(), watched.size(), -1) < 0) continue;
    for (const auto& w : watched) {
      if (w.revents == 0) continue;
      if (w.fd != listener)
        all.pass(w.fd);
      else if (const int guest = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC); guest >= 0)
        all.add(guest);
    }
  }
}

}  // namespace swarm::experiments
