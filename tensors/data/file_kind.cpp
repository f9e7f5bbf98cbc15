#include "tensors/data/file_kind.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <vector>

namespace swarm::tensors {
namespace {

using namespace std::string_view_literals;

constexpr const char* unpack = "unpack it first: ";
constexpr const char* no_text = "name a text or a .bin of token shards";
constexpr const char* to_text = "write its text to a file first, one document after the other";
constexpr const char* to_tokens =
    "write its tokens as little-endian uint16 to a .bin, or its text to a file";

struct magic {
  size_t at;
  std::string_view bytes;
  const char* is;
  const char* before;  ///< the remedy
  const char* command;
};

/// Four bytes and more: no text and no shard begins so by chance.
constexpr magic long_magics[] = {
    {0, "\x28\xb5\x2f\xfd"sv, "is compressed with Zstandard", unpack, "zstd -d FILE"},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     "is compressed with xz", unpack, "xz -dk FILE"},
    {0, "\x04\x22\x4d\x18"sv, "is compressed with LZ4", unpack, "lz4 -d FILE"},
    {4, "1AY&SY"sv, "is compressed with bzip2", unpack, "bzip2 -dk FILE"},
    {0, "7z\xbc\xaf\x27\x1c"sv, "is a 7z archive", unpack, "7z x FILE"},
    {0, "Rar!\x1a\x07"sv, "is a RAR archive", unpack, "unrar x FILE"},
    {0, "PK\x03\x04"sv, "is a zip archive (.npz, .docx and PyTorch's .pt are, too)", unpack,
     "unzip FILE"},
    {0, "PK\x05\x06"sv, "is an empty zip archive", no_text, ""},
    {257, "ustar"sv, "is a tar archive", unpack, "tar -xf FILE"},
    {0, "\x93NUMPY"sv, "is a NumPy array (.npy)",
     "write its tokens as a .bin: ", "numpy.load(FILE).astype('<u2').tofile(BIN)"},
    {0, "MMIDIDX\0\0"sv, "is the index of a Megatron shard", "name the .bin beside it", ""},
    {0, "TNTIDX\0\0"sv, "is the index of a fairseq shard", to_tokens, ""},
    {0, "PAR1\x15"sv, "is a Parquet table", to_text, ""},
    {0, "ARROW1\0\0"sv, "is an Arrow table", to_text, ""},
    {0, "Obj\x01"sv, "is an Avro file", to_text, ""},
    {0, "\x89HDF\r\n\x1a\n"sv, "is an HDF5 file", to_tokens, ""},
    {0, "SQLite format 3\0"sv, "is an SQLite database", to_text, ""},
    {0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"sv, "is an old Office document", to_text, ""},
    {0, "%PDF-"sv, "is a PDF", unpack, "pdftotext FILE"},
    {0, "\x89PNG\r\n\x1a\n"sv, "is a PNG picture", no_text, ""},
    {0, "GIF87a"sv, "is a GIF picture", no_text, ""},
    {0, "GIF89a"sv, "is a GIF picture", no_text, ""},
    {0, "\xff\xd8\xff"sv, "is a JPEG picture", no_text, ""},
    {0, "OggS\0"sv, "is an Ogg recording", no_text, ""},
    {0,
     "\x7f"
     "ELF"sv,
     "is a program (ELF)", no_text, ""},
    {0, "\0asm"sv, "is a WebAssembly program", no_text, ""},
    {0, "\xca\xfe\xba\xbe"sv, "is a Java class or a Mac program", no_text, ""},
};

/// No text begins so, but a shard may.
constexpr magic short_magics[] = {
    {0, "\xff\xff\xff\xff"sv, "is a stream of Arrow tables", to_text, ""},
    {0, "\x1f\x9d"sv, "is compressed with compress", unpack, "gzip -d FILE.Z"},
    {0, "\x80\x02"sv, "is a pickle (old files of PyTorch are)", to_tokens, ""},
    {0, "\x80\x03"sv, "is a pickle", to_tokens, ""},
    {0, "\x80\x04"sv, "is a pickle", to_tokens, ""},
    {0, "\x80\x05"sv, "is a pickle", to_tokens, ""},
    {0, "\xff\xfe"sv, "is UTF-16 text", "write it as UTF-8: ", "iconv -f UTF-16 -t UTF-8 FILE"},
    {0, "\xfe\xff"sv, "is UTF-16 text", "write it as UTF-8: ", "iconv -f UTF-16 -t UTF-8 FILE"},
};

bool begins(std::string_view head, const magic& with) {
  return head.size() >= with.at + with.bytes.size() &&
         head.substr(with.at, with.bytes.size()) == with.bytes;
}

uint64_t little_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

/// A length of 8 bytes, and the JSON of so many.
bool is_safetensors(std::string_view head) {
  constexpr uint64_t header_bytes_max = 100'000'000;
  return head.size() > 10 && head[8] == '{' && (head[9] == '"' || head[9] == '}') &&
         little_endian(head.substr(0, 8)) <= header_bytes_max;
}

/// A version in binary follows, which no text has.
bool is_gguf(std::string_view head) {
  return head.size() >= 8 && head.substr(0, 4) == "GGUF" && head[7] == '\0' && head[6] == '\0';
}

}  // namespace

bool is_gzip(std::string_view head) {
  // A file may end behind the magic.
  return head.size() >= 2 && head.substr(0, 3) == "\x1f\x8b\x08"sv.substr(0, head.size());
}

std::optional<file_kind> foreign_kind(std::string_view head, bool is_shard) {
  const auto kind = [](const magic& m) {
    return file_kind{m.is, std::string{m.before} + m.command};
  };
  for (const auto& each : long_magics)
    if (begins(head, each)) return kind(each);
  if (is_safetensors(head)) return file_kind{"holds a model's weights (safetensors)", no_text};
  if (is_gguf(head)) return file_kind{"holds a model's weights (GGUF)", no_text};
  if (is_shard) return std::nullopt;
  for (const auto& each : short_magics)
    if (begins(head, each)) return kind(each);
  return std::nullopt;
}

bool is_text(std::string_view head) {
  constexpr size_t bytes_min = 256;
  return head.size() >= bytes_min && std::all_of(head.begin(), head.end(), [](unsigned char c) {
           return c == '\n' || c == '\r' || c == '\t' || (c >= ' ' && c != 0x7f);
         });
}

std::optional<std::string> megatron_type(const std::string& shard_path) {
  constexpr size_t type_at = 17;  // behind the magic and the version, 9 and 8 bytes
  constexpr unsigned uint16_code = 8;
  constexpr std::array<const char*, 8> types{"",
                                             "1-byte integers",
                                             "1-byte integers with a sign",
                                             "2-byte integers with a sign",
                                             "4-byte integers",
                                             "8-byte integers",
                                             "8-byte floats",
                                             "4-byte floats"};
  std::ifstream in{std::filesystem::path{shard_path}.replace_extension(".idx"), std::ios::binary};
  std::string head(type_at + 1, '\0');
  if (!in.read(head.data(), static_cast<std::streamsize>(head.size()))) return std::nullopt;
  if (head.compare(0, 9, "MMIDIDX\0\0"sv) != 0) return std::nullopt;
  const auto code = static_cast<unsigned char>(head[type_at]);
  if (code == uint16_code) return std::nullopt;
  return code < types.size() && code != 0 ? types[code] : "tokens of an unknown type";
}

std::string meant_file(const std::string& path) {
  std::vector<std::string> candidates;
  if (std::filesystem::path{path}.extension() == ".idx")
    candidates.push_back(std::filesystem::path{path}.replace_extension(".bin"));
  for (const char* end : {".bin", "_text_document.bin", ".bin.gz", ".txt", ".txt.gz", ".gz"})
    candidates.push_back(path + end);
  for (const auto& candidate : candidates) {
    std::error_code ignored;
    if (std::filesystem::is_regular_file(candidate, ignored)) return candidate;
  }
  return "";
}

}  // namespace swarm::tensors
