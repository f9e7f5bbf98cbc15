#include "experiments/transport_rivals/raw_tcp.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "experiments/stopwatch.hpp"

namespace swarm::experiments {

namespace {

/// Before every message: its bytes and those of the answer.
using prefix = std::array<uint64_t, 2>;

sockaddr_in parse(const std::string& host, int port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, host.c_str(), &result.sin_addr);
  return result;
}

void no_delay(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

bool read_all(int socket, void* into, size_t bytes) {
  auto* at = static_cast<char*>(into);
  while (bytes > 0) {
    const auto got = ::read(socket, at, bytes);
    if (got <= 0) return false;
    at += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

bool write_all(int socket, const prefix& first, const char* body, size_t bytes) {
  std::array<iovec, 2> parts{
      {{const_cast<prefix*>(&first), sizeof(first)}, {const_cast<char*>(body), bytes}}};
  size_t left = sizeof(first) + bytes;
  while (left > 0) {
    const auto put = ::writev(socket, parts.data(), 2);
    if (put <= 0) return false;
    left -= static_cast<size_t>(put);
    auto skip = static_cast<size_t>(put);
    for (auto& part : parts) {
      const size_t here = std::min(skip, part.iov_len);
      part.iov_base = static_cast<char*>(part.iov_base) + here;
      part.iov_len -= here;
      skip -= here;
    }
  }
  return true;
}

void answer(int socket) {
  no_delay(socket);
  std::string body;
  prefix first;
  while (read_all(socket, &first, sizeof(first))) {
    if (body.size() < first[0]) body.resize(first[0]);
    if (!read_all(socket, body.data(), first[0])) return;
    if (!write_all(socket, {first[1], 0}, body.data(), first[1])) return;
  }
}

class client final : public rival_client {
 public:
  explicit client(int socket) : socket_(socket) { no_delay(socket_); }
  ~client() override { ::close(socket_); }

  double send(size_t bytes, int count) override {
    body_.resize(bytes, 'x');
    const stopwatch watch;
    for (int i = 0; i < count + rival_in_flight; ++i) {
      if (i >= rival_in_flight) read_answer();
      if (i < count && !write_all(socket_, {bytes, 0}, body_.data(), bytes)) give_up("write");
    }
    return watch.seconds();
  }

  std::vector<double> ask(size_t bytes, int count) override {
    body_.resize(bytes, 'x');
    std::vector<double> result;
    for (int i = 0; i < count; ++i) {
      const stopwatch watch;
      if (!write_all(socket_, {bytes, bytes}, body_.data(), bytes)) give_up("write");
      read_answer();
      result.push_back(watch.seconds() * 1e6);
    }
    return result;
  }

 private:
  void read_answer() {
    prefix first;
    if (!read_all(socket_, &first, sizeof(first))) give_up("read");
    if (!read_all(socket_, body_.data(), first[0])) give_up("read");
  }

  const int socket_;
  std::string body_;
};

std::unique_ptr<rival_client> connect(const std::string& address) {
  const auto colon = address.rfind(':');
  const auto where = parse(address.substr(0, colon), std::atoi(address.c_str() + colon + 1));
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&where), sizeof(where)) != 0)
    give_up("connect");
  return std::make_unique<client>(socket);
}

int serve(const std::string& host) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  auto where = parse(host, 0);
  socklen_t size = sizeof(where);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&where), size) != 0) give_up("bind");
  if (::listen(listener, 1) != 0) give_up("listen");
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&where), &size);
  announce(host + ":" + std::to_string(ntohs(where.sin_port)));
  const int socket = ::accept(listener, nullptr, nullptr);
  if (socket < 0) give_up("accept");
  answer(socket);
  return 0;
}

}  // namespace

rival_way raw_tcp_way() {
  return {[](const std::string& host, const rival_settings&) { return serve(host); },
          [](const std::string& address, const rival_settings&) { return connect(address); }};
}

}  // namespace swarm::experiments
