#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "actors/random.hpp"
#include "actors/wire/frame.hpp"

namespace swarm::transport::test {

/// A frame of so many segments with so many words each, of pseudo-random content. It is no message
/// of a schema: a transport does not look inside.
inline wire::frame_ptr make_frame(size_t words, size_t parts = 1, uint64_t seed = 1) {
  splitmix64 draw{seed};
  wire::segments list;
  std::vector<std::shared_ptr<const void>> owners;
  for (size_t i = 0; i < parts; ++i) {
    const auto bytes = std::make_shared<std::vector<uint64_t>>(words);
    for (auto& word : *bytes)
      word = draw.next();
    list.emplace_back(reinterpret_cast<const capnp::word*>(bytes->data()), words);
    owners.push_back(bytes);
  }
  return std::make_shared<const wire::frame>(std::move(list), std::move(owners));
}

inline uint64_t checksum(const wire::frame& body) {
  return wire::body_checksum(wire::segment_table(body.parts()), body.parts());
}

}  // namespace swarm::transport::test
