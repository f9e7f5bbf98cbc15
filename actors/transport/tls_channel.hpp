#pragma once

#include <openssl/types.h>

#include <memory>

#include "actors/transport/channel.hpp"

namespace swarm::transport {

/// One connection's TLS. OpenSSL reads and writes through buffers here, so that a system call
/// carries many records.
std::unique_ptr<channel> make_tls_channel(SSL_CTX* settings, int socket, bool dialled);

}  // namespace swarm::transport
