#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/transport/inbound.hpp"
#include "actors/transport/send_queue.hpp"

namespace swarm::transport {

enum class io_state : uint8_t {
  ready,       ///< go on
  wait_read,   ///< until the socket can be read
  wait_write,  ///< until the socket can be written
  ended,       ///< the far side has closed the connection
  failed       ///< see the sentence
};

struct io_result {
  size_t bytes = 0;
  io_state state = io_state::ready;
  std::string sentence;
  bool verdict = false;  ///< failed for what the far side or this one is: again is in vain
};

using peer_key = std::array<uint8_t, 32>;

/// A connected, non-blocking socket, with or without TLS. Does not own the socket.
class channel {
 public:
  virtual ~channel() = default;

  /// To be repeated until it is ready, when the socket can be read or written.
  virtual io_result handshake() = 0;
  /// Reads until the spans are full or there is nothing more now (wait_read).
  virtual io_result read(const std::array<writable_span, 2>& into) = 0;
  /// What was taken need not be given again, and leaves with the next `write` (of nothing) if it
  /// has not left yet (wait_write).
  virtual io_result write(const std::vector<readable_span>& from) = 0;
  /// Taken, but not yet left.
  virtual bool holds_back() const = 0;

  /// Of the far side's certificate, after the handshake.
  virtual std::optional<peer_key> far_key() const = 0;
};

std::unique_ptr<channel> make_plain_channel(int socket);

/// The sentence of an errno.
std::string describe_errno(int code);

namespace system_calls {

/// recv, readv and sendmsg, once. Interrupted calls are repeated.
io_result receive(int socket, const std::array<writable_span, 2>& into);
io_result send(int socket, const std::vector<readable_span>& from);

}  // namespace system_calls

}  // namespace swarm::transport
