#pragma once

#include <memory>
#include <string>
#include <variant>

#include "actors/transport/channel.hpp"
#include "actors/transport/endpoint.hpp"

namespace swarm::transport {

/// Of the certificates that the far side sends.
inline constexpr size_t certificate_chain_bytes_max = size_t{16} << 10;
/// Encrypted bytes that wait for the socket.
inline constexpr size_t tls_out_bytes = size_t{128} << 10;
/// Encrypted bytes that are read at once.
inline constexpr size_t tls_in_bytes = size_t{128} << 10;

/// Mutual TLS 1.3 with Ed25519 certificates of one authority; nothing else is spoken. No session is
/// resumed, so every connection proves its key.
class tls_context {
 public:
  /// On failure a sentence that names what is wrong with which PEM text.
  static std::variant<std::shared_ptr<tls_context>, std::string> make(const tls_options& options);
  virtual ~tls_context() = default;

  virtual std::unique_ptr<channel> make_channel(int socket, bool dialled) = 0;
};

}  // namespace swarm::transport
