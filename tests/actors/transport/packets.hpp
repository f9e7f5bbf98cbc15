#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "actors/transport/packet.hpp"

/// Packets as they cross, made by hand.
namespace swarm::transport::test {

using bytes = std::vector<uint8_t>;

inline void append(bytes& all, const uint8_t* more, size_t size) {
  all.insert(all.end(), more, more + size);
}

/// One packet as it crosses.
inline void append_packet(bytes& all, packet_kind kind, const std::string& content,
                          uint32_t stream = 0) {
  const auto header = encode(packet_header{static_cast<uint32_t>(content.size()), stream, kind});
  append(all, header.data(), header.size());
  append(all, reinterpret_cast<const uint8_t*>(content.data()), content.size());
}

inline std::string as_content(const message_head& head) {
  const auto encoded = encode(head);
  return {reinterpret_cast<const char*>(encoded.data()), encoded.size()};
}

inline std::string as_content(uint64_t value) {
  std::string result(sizeof(value), '\0');
  put_u64(reinterpret_cast<uint8_t*>(result.data()), value);
  return result;
}

/// Magic, greeting, welcome.
inline bytes beginning(const std::string& greeting = "me") {
  bytes all;
  append(all, link_magic.data(), link_magic.size());
  append_packet(all, packet_kind::hello, greeting);
  append_packet(all, packet_kind::welcome, "");
  return all;
}

}  // namespace swarm::transport::test
