#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace swarm::transport {

/// XXH3-64 of bytes that come in parts, with AVX2 where the processor has it: what wire's
/// body_checksum gives for the whole.
class running_checksum {
 public:
  running_checksum();
  void add(const uint8_t* bytes, size_t size);
  uint64_t value() const;

 private:
  /// Of XXH3's own type, which is kept out of headers.
  static constexpr size_t state_bytes = 576;
  alignas(64) std::array<uint8_t, state_bytes> state_;
};

}  // namespace swarm::transport
