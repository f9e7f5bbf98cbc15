#include "tensors/data/token_file.hpp"

#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "tensors/data/tokenizer.hpp"

namespace swarm::tensors {
namespace {

using bytes_or_error = std::variant<std::string, data_error>;

constexpr size_t chunk_bytes = size_t{1} << 18;
constexpr int gzip_only = 15 + 16;  // zlib's window bits and its flag for gzip
constexpr int64_t token_bytes = 2;

std::string quoted(const std::string& path) {
  return "'" + path + "'";
}

data_error too_large(const std::string& path, int64_t bytes_max) {
  return make_data_error(data_errc::too_large, quoted(path),
                         "at most " + std::to_string(bytes_max) + " bytes are read");
}

bytes_or_error read_bytes(const std::string& path, int64_t bytes_max) {
  auto unreadable = [&] {
    return make_data_error(data_errc::unreadable, quoted(path), std::strerror(errno));
  };
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return unreadable();
  if (S_ISDIR(status.st_mode)) {
    errno = EISDIR;
    return unreadable();
  }
  if (status.st_size > bytes_max) return too_large(path, bytes_max);
  const std::unique_ptr<FILE, int (*)(FILE*)> file{std::fopen(path.c_str(), "rb"), &std::fclose};
  if (file == nullptr) return unreadable();
  std::string bytes;
  bytes.reserve(static_cast<size_t>(status.st_size));
  char buffer[1 << 16];
  while (size_t count = std::fread(buffer, 1, sizeof buffer, file.get())) {
    bytes.append(buffer, count);
    if (bytes.size() > static_cast<size_t>(bytes_max)) return too_large(path, bytes_max);
  }
  if (std::ferror(file.get()) != 0) return unreadable();
  return bytes;
}

bool is_gzip(const std::string& bytes) {
  return bytes.size() >= 2 && bytes[0] == '\x1f' && bytes[1] == '\x8b';
}

/// All members of a gzip file, as gunzip does; stops at the limit, so that a bomb stays small.
bytes_or_error gunzip(const std::string& path, const std::string& packed, int64_t bytes_max) {
  z_stream stream{};
  if (inflateInit2(&stream, gzip_only) != Z_OK) {
    return make_data_error(data_errc::corrupt_gzip, quoted(path), "zlib cannot start");
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> guard{&stream, &inflateEnd};
  std::string result;
  std::string chunk(chunk_bytes, '\0');
  size_t taken = 0;
  int state = Z_OK;
  while (true) {
    if (stream.avail_in == 0) {
      const size_t next = std::min(chunk_bytes, packed.size() - taken);
      // zlib's interface lacks const and does not write here.
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + taken));
      stream.avail_in = static_cast<uInt>(next);
      taken += next;
    }
    if (state == Z_STREAM_END) {
      if (stream.avail_in == 0) return result;
      inflateReset(&stream);
    }
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk_bytes);
    state = inflate(&stream, Z_NO_FLUSH);
    result.append(chunk, 0, chunk_bytes - stream.avail_out);
    if (result.size() > static_cast<size_t>(bytes_max)) return too_large(path, bytes_max);
    if (state == Z_BUF_ERROR && stream.avail_in == 0 && taken == packed.size()) {
      return make_data_error(data_errc::truncated_gzip, quoted(path), "");
    }
    if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) {
      return make_data_error(data_errc::corrupt_gzip, quoted(path),
                             stream.msg == nullptr ? "" : stream.msg);
    }
  }
}

int32_t little_endian_i32(const std::string& bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value |= uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  }
  return static_cast<int32_t>(value);
}

std::variant<token_file, data_error> read_shard(const std::string& path, const std::string& bytes) {
  size_t begin = 0;
  const int32_t magic = bytes.size() >= 4 ? little_endian_i32(bytes, 0) : 0;
  if (magic == wide_shard_magic) {
    return make_data_error(data_errc::unsupported_version, quoted(path), "4-byte tokens");
  }
  if (bytes.size() % token_bytes != 0) {
    return make_data_error(data_errc::odd_size, quoted(path),
                           std::to_string(bytes.size()) + " bytes");
  }
  if (magic == shard_magic) {
    if (bytes.size() < static_cast<size_t>(shard_header_bytes)) {
      return make_data_error(data_errc::wrong_header, quoted(path), "the header is cut short");
    }
    const int32_t version = little_endian_i32(bytes, 4);
    if (version != shard_version) {
      return make_data_error(data_errc::unsupported_version, quoted(path),
                             "llm.c version " + std::to_string(version));
    }
    begin = static_cast<size_t>(shard_header_bytes);
    const int64_t claimed = little_endian_i32(bytes, 8);
    const int64_t held = static_cast<int64_t>(bytes.size() - begin) / token_bytes;
    if (claimed != held) {
      return make_data_error(
          data_errc::wrong_header, quoted(path),
          "it claims " + std::to_string(claimed) + " tokens and holds " + std::to_string(held));
    }
  }
  token_file result;
  result.tokens.reserve((bytes.size() - begin) / token_bytes);
  for (size_t at = begin; at < bytes.size(); at += token_bytes) {
    const auto low = static_cast<unsigned char>(bytes[at]);
    const auto high = static_cast<unsigned char>(bytes[at + 1]);
    result.tokens.push_back(static_cast<uint16_t>(low | high << 8));
  }
  return result;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

std::variant<token_file, data_error> read_token_file(const std::string& path, int64_t tokens_max) {
  const bool is_shard = ends_with(path, ".bin") || ends_with(path, ".bin.gz");
  const int64_t bytes_max = is_shard ? tokens_max * token_bytes + shard_header_bytes : tokens_max;
  auto read = read_bytes(path, bytes_max);
  if (auto* error = std::get_if<data_error>(&read)) return *error;
  auto bytes = std::move(std::get<std::string>(read));
  if (is_gzip(bytes)) {
    auto unpacked = gunzip(path, bytes, bytes_max);
    if (auto* error = std::get_if<data_error>(&unpacked)) return *error;
    bytes = std::move(std::get<std::string>(unpacked));
  }
  if (bytes.empty()) return make_data_error(data_errc::empty, quoted(path), "");
  if (is_shard) return read_shard(path, bytes);
  return token_file{encode_bytes(bytes), true};
}

}  // namespace swarm::tensors
