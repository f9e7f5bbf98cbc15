#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "tensors/data/data_error.hpp"

namespace swarm::tensors {

/// llm.c's shards: int32[256] header {magic, version, token count, ...}, then uint16 tokens
/// (dev/data/data_common.py of karpathy/llm.c).
inline constexpr int32_t shard_magic = 20240520;
inline constexpr int32_t shard_version = 1;
inline constexpr int64_t shard_header_bytes = 1024;
/// llm.c's shards of 4-byte tokens (Llama 3), which are not read.
inline constexpr int32_t wide_shard_magic = 20240801;

/// Tokens of one file or several.
struct token_file {
  std::vector<uint16_t> tokens;
  bool is_text = true;  ///< one token per byte; of several files: all are text
  /// What the user should know though it is no error, a sentence each.
  std::vector<std::string> notes;
};

struct read_limits {
  int64_t tokens_max = 0;
  double memory_bytes_max = std::numeric_limits<double>::infinity();
};

/// Appends a file to `result`, in whose tokens both limits count what is there already. Gzip is
/// recognised by its first bytes and unpacked first, as gunzip does: all members, zeros behind the
/// last one are padding, and what else stands there is left out with a note. A name that ends in
/// ".bin" (or ".bin.gz") holds little-endian uint16 tokens, with llm.c's header or (nanoGPT)
/// without; everything else is text. What is known to be neither (file_kind.hpp) is refused by
/// name. nanoGPT's shards have no mark: one that starts with llm.c's magic number is taken for
/// llm.c's.
std::optional<data_error> read_token_file(const std::string& path, const read_limits& limits,
                                          token_file& result);

/// Most tokens of a file by its size; of a packed one, by the size that it says; 0: not known.
int64_t expected_tokens(const std::string& path);

}  // namespace swarm::tensors
