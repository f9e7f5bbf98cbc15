#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "actors/transport/endpoint.hpp"

namespace swarm::transport {

/// Who of several links goes next, so that all that wait get equal bytes, however large their
/// packets are. Start-time fair queueing (Goyal, Vin, Cheng 1996): whoever has had the least since
/// it began to wait is next; one that did not wait for a while has saved up nothing.
class fair_turns {
 public:
  /// It has something to send, or nothing now. Saying so again changes nothing.
  void set_waiting(link_id who, bool waits);
  /// It is gone.
  void forget(link_id who);

  bool empty() const { return waiting_.empty(); }
  std::optional<link_id> next() const;

  /// It was given so much, in its turn or out of it.
  void took(link_id who, size_t bytes);

 private:
  struct share {
    uint64_t begins = 0;  ///< the virtual time at which its next bytes begin
    bool waits = false;
  };

  std::map<link_id, share> shares_;
  std::set<std::pair<uint64_t, link_id>> waiting_;
  uint64_t virtual_time_ = 0;  ///< of the bytes that were given last, in bytes per link
};

}  // namespace swarm::transport
