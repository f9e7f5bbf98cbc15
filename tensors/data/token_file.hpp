#pragma once

#include <cstdint>
#include <string>
#include <variant>
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

/// Tokens of one file.
struct token_file {
  std::vector<uint16_t> tokens;
  bool is_text = false;  ///< one token per byte
};

/// Reads a file of at most `tokens_max` tokens. Gzip is recognised by its first bytes and unpacked
/// first. A name that ends in ".bin" (or ".bin.gz") holds little-endian uint16 tokens, with llm.c's
/// header or (nanoGPT) without; everything else is text. nanoGPT's shards have no mark: one that
/// starts with llm.c's magic number is taken for llm.c's.
std::variant<token_file, data_error> read_token_file(const std::string& path, int64_t tokens_max);

}  // namespace swarm::tensors
