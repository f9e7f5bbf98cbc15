#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actors/transport/packet.hpp"

namespace swarm::transport::test {

/// A blocking socket to an endpoint, for bytes that no endpoint sends.
class raw_peer {
 public:
  explicit raw_peer(const std::string& address);
  ~raw_peer();
  raw_peer(raw_peer&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  raw_peer(const raw_peer&) = delete;
  raw_peer& operator=(const raw_peer&) = delete;

  int socket() const { return socket_; }
  /// False when the connection is broken.
  bool send(const std::vector<uint8_t>& bytes);
  /// What comes until the far side closes, at most so many bytes; less after `patience`.
  std::vector<uint8_t> receive(size_t bytes_max);
  /// The far side closes in time.
  bool is_closed();
  /// Closes with a reset, which leaves nothing behind in the kernel.
  void reset();

  /// Greets, and reads the other's greeting and welcome.
  bool introduce(const std::string& greeting = "raw");

 private:
  int socket_ = -1;
};

}  // namespace swarm::transport::test
