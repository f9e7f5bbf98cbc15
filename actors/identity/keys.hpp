#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "actors/ids.hpp"

/// Who somebody is: an Ed25519 key (RFC 8032, libsodium).
namespace swarm::identity {

using public_key = std::array<uint8_t, 32>;
using key_seed = std::array<uint8_t, 32>;
using signature = std::array<uint8_t, 64>;

/// A key that can sign. The secret is wiped when it goes.
class key_pair {
 public:
  /// From the operating system's randomness.
  static key_pair generate();
  static key_pair from_seed(const key_seed& seed);
  key_pair(const key_pair&) = default;
  key_pair& operator=(const key_pair&) = default;
  ~key_pair();

  const public_key& key() const { return key_; }
  const key_seed& seed() const { return seed_; }

  /// `domain` says what is signed, so that a signature for one purpose is none for another.
  signature sign(std::string_view domain, std::string_view bytes) const;

 private:
  key_pair() = default;

  key_seed seed_{};
  public_key key_{};
};

bool verify(std::string_view domain, std::string_view bytes, const signature& sig,
            const public_key& signer);

/// The id that follows from a key: 63 bits of its BLAKE2b, never 0. The top bit is the
/// coordinators' (actors/peer).
peer_id peer_id_of(const public_key& key);

/// BLAKE2b-128, hexadecimal.
std::string fingerprint(std::string_view bytes);

std::string to_hex(std::string_view bytes);
std::string to_base64url(std::string_view bytes);
/// Nothing if it is not base64url without padding.
std::optional<std::string> from_base64url(std::string_view text);

template <size_t Size>
std::string_view view(const std::array<uint8_t, Size>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), Size};
}

}  // namespace swarm::identity
