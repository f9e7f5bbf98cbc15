#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

#include "actors/ids.hpp"
#include "actors/peer/rival.hpp"
#include "actors/transport/endpoint.hpp"
#include "actors/wire/frame.hpp"

namespace swarm::peer {

using key_bytes = std::array<uint8_t, 32>;

/// A greeting as a message, to be handed on; null if it is damaged. And back.
wire::frame_ptr greeting_frame(const std::string& bytes);
std::string greeting_bytes(const wire::frame& from);

/// What a life is signed under (identity::key_pair::sign).
inline constexpr const char* life_domain = "swarm life";

/// Why it refuses itself: one of the addresses that it was given is its own.
inline constexpr const char* itself_sentence = "it is this peer itself";

/// Longest text of a greeting that is accepted, bytes.
inline constexpr size_t greeting_text_bytes_max = 256;

/// What this process says of itself to whoever it meets.
struct self_description {
  key_bytes run_key{};
  key_bytes key{};
  /// Grows with every start. Of two of the same number the one that started later is the later.
  uint64_t life = 1;
  int64_t started_unix_ms = 0;
  std::string announce;  ///< where others reach it; empty: where it listens
  std::string agent = "swarm";
  bool observer = false;
  /// What it computes with (tensors/engine/kernels_in_use.hpp); empty: it computes nothing.
  std::string kernels;
  uint32_t protocol_version = 1;
  /// The id that follows from a key.
  std::function<peer_id(const key_bytes&)> id_of;
  /// With the secret of `key`: proves to an earlier life that this one is there. Absent: an earlier
  /// one is not told.
  std::function<std::string(const std::string& text)> sign;
};

/// Who somebody turned out to be.
struct acquaintance {
  peer_id peer;
  uint64_t life = 0;
  int64_t started_unix_ms = 0;
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

  /// The later life of this very peer that a greeting proves, whoever hands it on.
  std::optional<rival> rival_in(const std::string& greeting) const;

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
