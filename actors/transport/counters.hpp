#pragma once

#include <array>
#include <cstdint>

namespace swarm::transport {

/// Bytes and messages of one direction.
struct traffic {
  uint64_t control_messages = 0;
  uint64_t control_bytes = 0;
  uint64_t bulk_messages = 0;
  uint64_t bulk_bytes = 0;
  uint64_t overhead_bytes = 0;  ///< packet headers, heartbeats, credit; not TLS or TCP
};

struct counters {
  traffic sent;
  traffic received;
  uint64_t links_up = 0;       ///< now
  uint64_t links_down = 0;     ///< so far
  uint64_t refused = 0;        ///< connections that never became links
  uint64_t damaged = 0;        ///< bodies with a wrong checksum or shape
  uint64_t round_trip_us = 0;  ///< of the last heartbeat; of one link only
};

}  // namespace swarm::transport
