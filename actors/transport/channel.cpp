#include "actors/transport/channel.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace swarm::transport {

namespace {

class plain_channel final : public channel {
 public:
  explicit plain_channel(int socket) : socket_(socket) {}

  io_result handshake() override { return {}; }

  io_result read(const std::array<writable_span, 2>& into) override {
    auto result = system_calls::receive(socket_, into);
    // A short read emptied the socket: asking again would only hear that.
    if (result.state == io_state::ready && result.bytes < into[0].size + into[1].size)
      result.state = io_state::wait_read;
    return result;
  }

  io_result write(const std::vector<readable_span>& from) override {
    if (from.empty()) return {};
    return system_calls::send(socket_, from);
  }

  bool holds_back() const override { return false; }
  std::optional<peer_key> far_key() const override { return std::nullopt; }

 private:
  const int socket_;
};

bool would_block(int code) {
  return code == EAGAIN || code == EWOULDBLOCK;
}

}  // namespace

std::unique_ptr<channel> make_plain_channel(int socket) {
  return std::make_unique<plain_channel>(socket);
}

std::string describe_errno(int code) {
  return std::system_category().message(code);
}

namespace system_calls {

io_result receive(int socket, const std::array<writable_span, 2>& into) {
  std::array<iovec, 2> parts{{{into[0].data, into[0].size}, {into[1].data, into[1].size}}};
  const int count = into[1].size == 0 ? 1 : 2;
  for (;;) {
    const auto got = ::readv(socket, parts.data(), count);
    if (got > 0) return {static_cast<size_t>(got), io_state::ready, {}};
    if (got == 0) return {0, io_state::ended, {}};
    if (errno == EINTR) continue;
    if (would_block(errno)) return {0, io_state::wait_read, {}};
    return {0, io_state::failed, describe_errno(errno)};
  }
}

io_result send(int socket, const std::vector<readable_span>& from) {
  std::array<iovec, gather_spans_max> parts;
  const size_t count = std::min(from.size(), parts.size());
  size_t total = 0;
  for (size_t i = 0; i < count; ++i) {
    parts[i] = {const_cast<uint8_t*>(from[i].data), from[i].size};
    total += from[i].size;
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  for (;;) {
    const auto put = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    if (put >= 0) {
      const auto bytes = static_cast<size_t>(put);
      return {bytes, bytes < total ? io_state::wait_write : io_state::ready, {}};
    }
    if (errno == EINTR) continue;
    if (would_block(errno)) return {0, io_state::wait_write, {}};
    return {0, io_state::failed, describe_errno(errno)};
  }
}

}  // namespace system_calls

}  // namespace swarm::transport
