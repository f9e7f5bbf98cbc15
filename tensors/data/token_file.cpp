#include "tensors/data/token_file.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "tensors/data/byte_source.hpp"
#include "tensors/data/file_kind.hpp"

namespace swarm::tensors {
namespace {

constexpr int64_t token_bytes = 2;
/// Deflate packs no better than that.
constexpr int64_t packing_max = 1032;

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool is_shard_name(const std::string& path) {
  return ends_with(path, ".bin") || ends_with(path, ".bin.gz");
}

int32_t little_endian_i32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value |= uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  }
  return static_cast<int32_t>(value);
}

data_error foreign(const std::string& path, const std::string& is, const std::string& remedy) {
  return {data_errc::foreign_format, quoted(path) + " " + is + "; " + remedy + ".", 0};
}

/// Appends tokens within the limits.
class token_sink {
 public:
  token_sink(const std::string& path, const read_limits& limits, bool is_shard,
             std::vector<uint16_t>& tokens)
      : path_(path), limits_(limits), is_shard_(is_shard), tokens_(tokens), begin_(tokens.size()) {}

  std::optional<data_error> take(std::string_view piece) {
    if (bytes_ == 0) {
      if (auto error = head(piece)) return error;
    }
    bytes_ += piece.size();
    piece.remove_prefix(std::min(piece.size(), skip_));
    skip_ = 0;
    if (auto error = make_room(is_shard_ ? piece.size() / token_bytes + 1 : piece.size()))
      return error;
    if (is_shard_) {
      for (const char c : piece)
        byte(static_cast<unsigned char>(c));
    } else {
      const auto* bytes = reinterpret_cast<const unsigned char*>(piece.data());
      tokens_.insert(tokens_.end(), bytes, bytes + piece.size());
    }
    return std::nullopt;
  }

  std::optional<data_error> end() const {
    if (bytes_ == 0) return make_data_error(data_errc::empty, quoted(path_), "");
    if (!is_shard_) return std::nullopt;
    if (has_half_) {
      return make_data_error(data_errc::odd_size, quoted(path_), std::to_string(bytes_) + " bytes");
    }
    const auto held = static_cast<int64_t>(tokens_.size() - begin_);
    if (claimed_ && *claimed_ != held) {
      return make_data_error(
          data_errc::wrong_header, quoted(path_),
          "it claims " + std::to_string(*claimed_) + " tokens and holds " + std::to_string(held));
    }
    if (are_wide()) {
      return foreign(path_, "holds 4-byte tokens or wider ones, as far as its zeros tell",
                     "write them as little-endian uint16");
    }
    return std::nullopt;
  }

 private:
  std::optional<data_error> head(std::string_view piece) {
    const auto first = piece.substr(0, file_head_bytes);
    if (const auto kind = foreign_kind(first, is_shard_))
      return foreign(path_, kind->is, kind->remedy);
    if (!is_shard_) return std::nullopt;
    if (is_text(first))
      return foreign(path_, "is named as token shards and holds text",
                     "give it a name that does not end in .bin");
    if (const auto type = megatron_type(path_))
      return foreign(path_, "is a Megatron shard of " + *type, "write its tokens as uint16");
    const int32_t magic = first.size() >= 4 ? little_endian_i32(first, 0) : 0;
    if (magic == wide_shard_magic)
      return make_data_error(data_errc::unsupported_version, quoted(path_), "4-byte tokens");
    if (magic != shard_magic) return std::nullopt;
    if (first.size() < static_cast<size_t>(shard_header_bytes))
      return make_data_error(data_errc::wrong_header, quoted(path_), "the header is cut short");
    const int32_t version = little_endian_i32(first, 4);
    if (version != shard_version) {
      return make_data_error(data_errc::unsupported_version, quoted(path_),
                             "llm.c version " + std::to_string(version));
    }
    claimed_ = little_endian_i32(first, 8);
    skip_ = static_cast<size_t>(shard_header_bytes);
    return std::nullopt;
  }

  std::optional<data_error> make_room(size_t tokens) {
    const auto needed = tokens_.size() + tokens;
    if (needed - begin_ > static_cast<size_t>(limits_.tokens_max) + (is_shard_ ? 1 : 0)) {
      const auto bytes_max = limits_.tokens_max * (is_shard_ ? token_bytes : 1);
      return make_data_error(data_errc::too_large, quoted(path_),
                             "at most " + std::to_string(bytes_max) + " bytes are read");
    }
    if (needed <= tokens_.capacity()) return std::nullopt;
    // While a vector grows both its old and its new storage are there.
    const auto grown = std::max(needed, tokens_.capacity() * 2);
    const auto bytes = static_cast<double>((grown + tokens_.capacity()) * token_bytes);
    if (bytes > limits_.memory_bytes_max) {
      auto error = make_data_error(data_errc::out_of_memory, quoted(path_), "");
      error.bytes_needed = bytes;
      return error;
    }
    tokens_.reserve(grown);
    return std::nullopt;
  }

  void byte(unsigned char value) {
    if (has_half_) tokens_.push_back(static_cast<uint16_t>(half_ | value << 8));
    half_ = value;
    has_half_ = !has_half_;
  }

  /// Every second token is 0, or 1 with a vocabulary above 65536, and the others are not: the upper
  /// halves of wider tokens.
  bool are_wide() const {
    constexpr size_t tokens_min = 64;
    constexpr uint16_t byte_max = 255;
    const auto count = tokens_.size() - begin_;
    if (count < tokens_min || count % 2 != 0) return false;
    uint16_t largest = 0;
    for (size_t i = begin_; i + 1 < tokens_.size(); i += 2) {
      if (tokens_[i + 1] > 1) return false;
      largest = std::max(largest, tokens_[i]);
    }
    return largest > byte_max;
  }

  const std::string& path_;
  const read_limits& limits_;
  const bool is_shard_;
  std::vector<uint16_t>& tokens_;
  const size_t begin_;
  size_t bytes_ = 0;
  size_t skip_ = 0;
  bool has_half_ = false;
  unsigned char half_ = 0;
  std::optional<int64_t> claimed_;
};

}  // namespace

std::optional<data_error> read_token_file(const std::string& path, const read_limits& limits,
                                          token_file& result) {
  const bool is_shard = is_shard_name(path);
  token_sink sink{path, limits, is_shard, result.tokens};
  const auto take = [&](std::string_view piece) { return sink.take(piece); };
  if (auto error = read_pieces(path, take, result.notes)) return error;
  if (auto error = sink.end()) return error;
  result.is_text = result.is_text && !is_shard;
  return std::nullopt;
}

int64_t expected_tokens(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return 0;
  int64_t bytes = status.st_size;
  std::ifstream in{path, std::ios::binary};
  std::string head(3, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  if (is_gzip(head)) {
    // The last four bytes are the last member's size, modulo 2^32: mostly the whole.
    std::string size(4, '\0');
    in.seekg(-4, std::ios::end);
    in.read(size.data(), static_cast<std::streamsize>(size.size()));
    const auto said = static_cast<int64_t>(static_cast<uint32_t>(little_endian_i32(size, 0)));
    bytes = said <= bytes * packing_max ? said : 0;
  }
  return is_shard_name(path) ? bytes / token_bytes : bytes;
}

}  // namespace swarm::tensors
