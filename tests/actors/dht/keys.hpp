#pragma once

#include <string>

#include "actors/dht/contact.hpp"
#include "actors/dht/record.hpp"
#include "actors/random.hpp"

// Keys, contacts and records that follow from a number.
namespace swarm::dht::testing {

inline signing_key key_number(uint64_t n) {
  std::array<uint8_t, seed_bytes> seed{};
  for (size_t i = 0; i < 8; ++i)
    seed[i] = static_cast<uint8_t>(n >> (8 * i));
  return signing_key{seed};
}

/// Not a real key: for what never looks at a signature.
inline contact contact_number(uint64_t n) {
  public_key key{};
  splitmix64 random{n};
  for (auto& byte : key)
    byte = static_cast<uint8_t>(random.next());
  return {key, "node" + std::to_string(n)};
}

inline signed_record make_record(const signing_key& owner, const std::string& name,
                                 const std::string& value, uint64_t sequence,
                                 int64_t expires_unix_ms, const std::string& text = {}) {
  signed_record r;
  r.key = key_of(name);
  r.subkey = subkey_of(owner.open_half(), text);
  r.value = value;
  r.sequence = sequence;
  r.expires_unix_ms = expires_unix_ms;
  sign(r, owner);
  return r;
}

}  // namespace swarm::dht::testing
