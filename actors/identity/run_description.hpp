#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "actors/identity/keys.hpp"
#include "tensors/model/model_config.hpp"
#include "tensors/optim/optimizer_config.hpp"

namespace swarm::identity {

/// Of messages and their meaning; peers of different versions refuse each other.
inline constexpr uint32_t protocol_version = 1;

inline constexpr size_t description_bytes_max = 16 * 1024;

/// RunDescription of schemas/run.capnp, which says what each is.
struct run_description {
  uint32_t protocol = protocol_version;
  std::string name;
  tensors::model_config model;
  int32_t stages = 1;
  tensors::optimizer_config optimizer;
  int64_t rows = 1;
  int64_t microbatches = 1;
  uint64_t seed = 1;
  bool reproducible = false;
  int64_t steps = 0;
  std::string data_source;
  std::string data_hash;
  double validation_fraction = 0.1;
  int64_t created_unix_ms = 0;
};

/// The same bytes for the same description.
std::string canonical_bytes(const run_description& run);
/// BLAKE2b-128 of them, hexadecimal.
std::string description_hash(const run_description& run);

/// SignedDescription: what files and the DHT hold.
std::string sign_description(const run_description& run, const key_pair& key);

/// A sentence when it is damaged, not signed by `run_key`, or of another protocol version.
std::variant<run_description, std::string> read_description(std::string_view bytes,
                                                            const public_key& run_key);
/// Whose description this claims to be.
std::optional<public_key> signer_of(std::string_view bytes);

}  // namespace swarm::identity
