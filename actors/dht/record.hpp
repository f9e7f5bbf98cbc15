#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "actors/dht/node_id.hpp"

namespace swarm::dht {

/// Of a record.
inline constexpr size_t value_bytes_max = size_t{8} << 10;
/// Of the text that an owner may add to its subkey.
inline constexpr size_t subkey_text_bytes_max = 64;
inline constexpr size_t seed_bytes = 32;

using signature_bytes = std::array<uint8_t, 64>;

/// An Ed25519 key with its secret, which is wiped when it is destroyed.
class signing_key {
 public:
  explicit signing_key(const std::array<uint8_t, seed_bytes>& seed);
  /// From the operating system's generator.
  static signing_key generate();
  ~signing_key();
  signing_key(const signing_key&) = default;
  signing_key& operator=(const signing_key&) = default;

  const public_key& open_half() const { return public_; }
  signature_bytes sign(std::string_view text) const;

  /// 32 bytes that only the key's holder can foresee, one per counter: nonces that a seeded
  /// simulation draws again.
  std::array<uint8_t, 32> draw(uint64_t seed, uint64_t counter) const;

 private:
  signing_key() = default;

  public_key public_{};
  std::array<uint8_t, 64> secret_{};
};

/// What somebody published under a key. Any number of owners have records under one key, each one
/// per subkey; a higher sequence replaces a lower one (after BEP 44, mutable items).
struct signed_record {
  node_id key;
  std::string subkey;  ///< subkey_of(owner, text)
  std::string value;
  uint64_t sequence = 0;
  int64_t expires_unix_ms = 0;
  public_key owner{};
  signature_bytes signature{};

  friend bool operator==(const signed_record& a, const signed_record& b);
};

/// The owner's public key, and a text under it for owners with several records under one key. What
/// does not begin with the owner's key is not the owner's.
std::string subkey_of(const public_key& owner, std::string_view text = {});
/// What follows the public key; empty if the subkey is shorter than that.
std::string_view text_of(const signed_record& record);

bool is_owners(const signed_record& record);
/// Value and subkey are within their limits.
bool fits(const signed_record& record);

/// Signs all other fields, as `key` owns it: sets owner and signature. The signed bytes begin with
/// a text of this room, so that no signature means two things.
void sign(signed_record& record, const signing_key& key);
/// Precondition: fits. About 50 us.
bool signature_holds(const signed_record& record);

/// Which of two valid records of one owner and subkey stays. By sequence; what decides between
/// equal ones (expiry, signature) only makes all nodes agree.
bool supersedes(const signed_record& a, const signed_record& b);

/// What a record counts in a store's limits.
size_t bytes_of(const signed_record& record);

/// The answer to a challenge: "I hold the key and am reached at this address." Signed with the
/// address in it, so that nobody can pass on another node's answer as its own.
signature_bytes prove(const signing_key& key, std::string_view nonce, std::string_view address);
bool proof_holds(const public_key& key, std::string_view nonce, std::string_view address,
                 const signature_bytes& proof);

}  // namespace swarm::dht
