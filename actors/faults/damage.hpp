#pragma once

#include <caf/fwd.hpp>
#include <caf/message.hpp>
#include <caf/type_erased_tuple.hpp>
#include <cstdint>

namespace swarm::faults {

/// What happens to the bytes of a message.
enum class damage : uint8_t {
  none,
  corrupt,  ///< one bit is flipped
  truncate  ///< the end is missing
};

/// Writes the content as CAF's network layer does, damages the bytes and reads them again. A
/// wire::message comes back with a fault. What cannot be read comes back as an empty message, as it
/// does over a network. Without a checksum of its own a type may come back with another value.
/// Content that cannot be written, since it never leaves its process, is returned unharmed.
caf::message damaged(caf::actor_system& system, const caf::type_erased_tuple& content, damage harm,
                     uint64_t seed);

}  // namespace swarm::faults
