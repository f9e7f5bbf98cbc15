#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace swarm::tensors {

/// So many first bytes tell every kind below.
inline constexpr size_t file_head_bytes = 1024;

/// What a file is that is neither text nor token shards, and what to do with it: "is compressed
/// with Zstandard", "unpack it first: zstd -d FILE".
struct file_kind {
  std::string is;
  std::string remedy;
};

/// By the file's first bytes. Nothing for text, shards and what is not known. In a shard, whose
/// tokens can begin with anything, only what nobody's tokens begin with counts.
std::optional<file_kind> foreign_kind(std::string_view head, bool is_shard);

/// Deflate behind gzip's magic.
bool is_gzip(std::string_view head);

/// The first bytes of a file that is named as a shard are text all through.
bool is_text(std::string_view head);

/// A Megatron index beside the shard PREFIX.bin says what its tokens are: "4-byte integers".
/// Nothing when there is none, when it cannot be read, and for 2-byte tokens without a sign.
std::optional<std::string> megatron_type(const std::string& shard_path);

/// Files beside a path that does not exist which may be meant: PATH.bin, PATH.txt, PATH.gz and so
/// on; for an index, its shard. Empty: none.
std::string meant_file(const std::string& path);

}  // namespace swarm::tensors
