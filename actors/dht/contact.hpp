#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

#include "actors/dht/node_id.hpp"

namespace swarm::dht {

/// Of the actor's clock since the node began. Never the wall clock, which may jump.
using moment = std::chrono::milliseconds;

/// Of a contact's address.
inline constexpr size_t address_bytes_max = 256;

/// A node and where to dial it. The id follows from the key.
struct contact {
  public_key key{};
  node_id id;
  std::string address;

  contact() = default;
  contact(const public_key& k, std::string where)
      : key(k), id(id_of(k)), address(std::move(where)) {}
};

}  // namespace swarm::dht
