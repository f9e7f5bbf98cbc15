#include "actors/dht/node_id.hpp"

#include <sodium.h>

#include <algorithm>

#include "actors/invariant.hpp"

namespace swarm::dht {

namespace {

constexpr std::string_view name_domain = "swarm dht name 1\n";

node_id first_bits(const std::array<uint8_t, 32>& hash) {
  node_id result;
  std::copy_n(hash.begin(), id_bytes, result.bytes.begin());
  return result;
}

}  // namespace

node_id id_of(const public_key& key) {
  std::array<uint8_t, 32> hash;
  crypto_generichash(hash.data(), hash.size(), key.data(), key.size(), nullptr, 0);
  return first_bits(hash);
}

node_id key_of(std::string_view name) {
  std::array<uint8_t, 32> hash;
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, hash.size());
  for (const auto part : {name_domain, name})
    crypto_generichash_update(&state, reinterpret_cast<const uint8_t*>(part.data()), part.size());
  crypto_generichash_final(&state, hash.data(), hash.size());
  return first_bits(hash);
}

node_id distance(const node_id& a, const node_id& b) {
  node_id result;
  for (size_t i = 0; i < id_bytes; ++i)
    result.bytes[i] = a.bytes[i] ^ b.bytes[i];
  return result;
}

bool closer(const node_id& a, const node_id& b, const node_id& target) {
  for (size_t i = 0; i < id_bytes; ++i) {
    const auto to_a = a.bytes[i] ^ target.bytes[i];
    const auto to_b = b.bytes[i] ^ target.bytes[i];
    if (to_a != to_b) return to_a < to_b;
  }
  return false;
}

size_t common_bits(const node_id& a, const node_id& b) {
  for (size_t i = 0; i < id_bytes; ++i) {
    const unsigned differ = a.bytes[i] ^ b.bytes[i];
    if (differ != 0) return i * 8 + static_cast<size_t>(__builtin_clz(differ)) - 24;
  }
  return id_bits;
}

node_id random_sharing(const node_id& own, size_t shared, splitmix64& random) {
  SWARM_INVARIANT(shared < id_bits, "two different ids differ in a bit");
  node_id result;
  for (auto& byte : result.bytes)
    byte = static_cast<uint8_t>(random.next());
  for (size_t bit = 0; bit <= shared; ++bit) {
    const auto mask = static_cast<uint8_t>(0x80 >> (bit % 8));
    const bool set = ((own.bytes[bit / 8] & mask) != 0) != (bit == shared);
    auto& byte = result.bytes[bit / 8];
    byte = static_cast<uint8_t>(set ? byte | mask : byte & ~mask);
  }
  return result;
}

std::string to_hex(const node_id& id) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * id_bytes);
  for (const auto byte : id.bytes) {
    text.push_back(digits[byte >> 4]);
    text.push_back(digits[byte & 15]);
  }
  return text;
}

}  // namespace swarm::dht
