#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "actors/random.hpp"

namespace swarm::dht {

inline constexpr size_t id_bytes = 20;
inline constexpr size_t id_bits = id_bytes * 8;

/// Ed25519.
using public_key = std::array<uint8_t, 32>;

/// A point of the 160-bit key space: a node's place, or the key that records lie under. Bit 0 is
/// the highest (Maymounkov and Mazieres 2002, "Kademlia").
struct node_id {
  std::array<uint8_t, id_bytes> bytes{};

  friend bool operator==(const node_id& a, const node_id& b) { return a.bytes == b.bytes; }
  friend bool operator!=(const node_id& a, const node_id& b) { return a.bytes != b.bytes; }
  friend bool operator<(const node_id& a, const node_id& b) { return a.bytes < b.bytes; }
};

/// The first 160 bits of the BLAKE2b-256 of the node's public key: to get one near a given key one
/// has to try keys.
node_id id_of(const public_key& key);

/// Where the records of this name lie. No name gives a chosen node's id.
node_id key_of(std::string_view name);

/// The exclusive or, to be compared as a number.
node_id distance(const node_id& a, const node_id& b);

/// Whether `a` is nearer to `target` than `b`; false when equal.
bool closer(const node_id& a, const node_id& b, const node_id& target);

/// Leading bits that both share; id_bits when equal.
size_t common_bits(const node_id& a, const node_id& b);

/// A random id that shares exactly `shared` leading bits with `own`, `shared` < id_bits.
node_id random_sharing(const node_id& own, size_t shared, splitmix64& random);

/// 40 hexadecimal digits.
std::string to_hex(const node_id& id);

}  // namespace swarm::dht
