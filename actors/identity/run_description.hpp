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
/// Of one of its texts.
inline constexpr size_t description_text_bytes_max = 4096;
inline constexpr int64_t description_rows_max = 65'536;
inline constexpr int64_t description_microbatches_max = 65'536;
inline constexpr int64_t description_steps_max = 1'000'000'000;

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
  std::string kernels;  ///< see tensors/engine/cpu_kernels.hpp; empty unless reproducible
  int64_t steps = 0;
  std::string data_source;
  std::string data_hash;
  int64_t data_tokens = 0;
  double validation_fraction = 0.1;
  int64_t created_unix_ms = 0;
};

/// The same bytes for the same description.
std::string canonical_bytes(const run_description& run);
/// BLAKE2b-128 of them, hexadecimal.
std::string description_hash(const run_description& run);

/// SignedDescription: what files and the DHT hold.
std::string sign_description(const run_description& run, const key_pair& key);

/// "steps: 100 here, 200 there": the first field that differs, with both values; nothing if none
/// does.
std::optional<std::string> explain_difference(const run_description& here,
                                              const run_description& there);

/// A sentence when it is damaged, not signed by `run_key`, of another protocol version, holds what
/// this program does not know, or describes what cannot be trained.
std::variant<run_description, std::string> read_description(std::string_view bytes,
                                                            const public_key& run_key);
/// Whose description this claims to be.
std::optional<public_key> signer_of(std::string_view bytes);

}  // namespace swarm::identity
