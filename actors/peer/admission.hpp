#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <variant>

#include "actors/ids.hpp"
#include "actors/transport/endpoint.hpp"

namespace swarm::peer {

using key_bytes = std::array<uint8_t, 32>;

/// Longest text of a greeting that is accepted, bytes.
inline constexpr size_t greeting_text_bytes_max = 256;

/// What this process says of itself to whoever it meets.
struct self_description {
  key_bytes run_key{};
  key_bytes key{};
  uint64_t life = 1;
  std::string announce;  ///< where others reach it; empty: where it listens
  std::string agent = "swarm";
  bool observer = false;
  /// What it computes with (tensors/engine/kernels_in_use.hpp); empty: it computes nothing.
  std::string kernels;
  uint32_t protocol_version = 1;
  /// The id that follows from a key.
  std::function<peer_id(const key_bytes&)> id_of;
};

/// Who somebody turned out to be.
struct acquaintance {
  peer_id peer;
  uint64_t life = 0;
  std::string announce;
  std::string agent;
  bool observer = false;
  std::string kernels;
  int64_t unix_ms = 0;
};

/// Decides who may connect. Both sides decide, so each refusal names what is here and what is
/// there. Thread-safe.
class admission {
 public:
  /// `same_kernels`: the run is reproducible, so whoever computes with others is refused.
  admission(self_description self, std::string description_hash, bool same_kernels = false)
      : self_(std::move(self)),
        same_kernels_(same_kernels),
        announce_(self_.announce),
        description_hash_(std::move(description_hash)) {}

  /// Greeting (network.capnp) as bytes; the clock is the caller's.
  std::string greeting(int64_t unix_ms) const;

  /// A sentence refuses.
  std::variant<acquaintance, std::string> check(const transport::remote& who) const;

  /// Where others reach this process; empty: it can only dial.
  void announce(const std::string& address);

  /// Once it is known; before, only a description of another run cannot be told from ours.
  void learn_description(const std::string& hash);
  std::string description_hash() const;

 private:
  const self_description self_;
  const bool same_kernels_;
  mutable std::mutex mutex_;
  std::string announce_;
  std::string description_hash_;
};

}  // namespace swarm::peer
