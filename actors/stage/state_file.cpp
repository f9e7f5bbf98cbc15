#include "actors/stage/state_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace swarm::stage {

namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the files are little-endian");

constexpr char magic[] = "SWRMKEPT";
constexpr size_t magic_bytes = 8;
constexpr size_t hashed_from = 32;
constexpr size_t shape_at = 96;
constexpr size_t history_at = 152;
constexpr size_t hash_at = 160;

template <class T>
void store(file_header& header, size_t at, T value) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  for (size_t i = 0; i < sizeof value; ++i)
    header[at + i] = static_cast<char>(bits >> (8 * i) & 0xff);
}

template <class T>
T load(const file_header& header, size_t at) {
  uint64_t bits = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    bits |= uint64_t{static_cast<uint8_t>(header[at + i])} << (8 * i);
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

uint64_t checksum_of(const file_header& header, const void* bytes, size_t count) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state{XXH3_createState(),
                                                                       &XXH3_freeState};
  XXH3_64bits_reset(state.get());
  XXH3_64bits_update(state.get(), header.data() + hashed_from, header.size() - hashed_from);
  if (count > 0) XXH3_64bits_update(state.get(), bytes, count);
  return XXH3_64bits_digest(state.get());
}

/// A file that is open for reading.
class input {
 public:
  explicit input(const std::string& path)
      : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) {
    missing_ = file_ < 0 && errno == ENOENT;
  }
  ~input() {
    if (file_ >= 0) ::close(file_);
  }
  input(const input&) = delete;
  input& operator=(const input&) = delete;

  bool missing() const { return missing_; }

  /// Nothing for what is no regular file.
  std::optional<uint64_t> bytes() const {
    struct stat about {};
    if (file_ < 0 || ::fstat(file_, &about) != 0 || !S_ISREG(about.st_mode)) return std::nullopt;
    return static_cast<uint64_t>(about.st_size);
  }

  bool read(void* to, size_t count) {
    auto* next = static_cast<char*>(to);
    while (count > 0) {
      const auto got = ::read(file_, next, count);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      next += got;
      count -= static_cast<size_t>(got);
    }
    return true;
  }

 private:
  int file_;
  bool missing_ = false;
};

file_identity owner_of(const file_header& header) {
  return {stage_id{load<int32_t>(header, 40)}, load<uint64_t>(header, 48),
          load<uint64_t>(header, 56)};
}

/// What can be said of a file by its header and its length.
std::optional<file_fault> judge(const file_header& header, file_kind kind,
                                const file_identity& owner, uint64_t file_bytes) {
  if (std::memcmp(header.data(), magic, magic_bytes) != 0) return file_fault::foreign;
  if (load<uint32_t>(header, 8) != file_format) return file_fault::other_format;
  if (load<uint32_t>(header, 12) != static_cast<uint32_t>(kind)) return file_fault::foreign;
  if (load<uint64_t>(header, 16) != file_bytes) return file_fault::truncated;
  if (!(owner_of(header) == owner)) return file_fault::other_owner;
  return std::nullopt;
}

/// The shape, if a tensor of it has so many bytes.
std::optional<std::vector<int64_t>> shape_of(const file_header& header, uint64_t bytes) {
  const auto dimensions = load<uint32_t>(header, 92);
  const auto type = load<uint32_t>(header, 44);
  if (dimensions > file_dimensions_max || type > static_cast<uint32_t>(tensors::dtype::u8))
    return std::nullopt;
  std::vector<int64_t> shape;
  uint64_t product = dimensions == 0 ? 0 : tensors::size_bytes(static_cast<tensors::dtype>(type));
  for (uint32_t i = 0; i < dimensions; ++i) {
    const auto extent = load<int64_t>(header, shape_at + 8 * i);
    if (extent < 0) return std::nullopt;
    // Without overflow: no partial product may pass the file's bytes unless a zero follows.
    if (extent > 0 && product > bytes / static_cast<uint64_t>(extent)) return std::nullopt;
    product *= static_cast<uint64_t>(extent);
    shape.push_back(extent);
  }
  if (product != bytes) return std::nullopt;
  return shape;
}

file_record record_of(const file_header& header, file_kind kind) {
  file_record record;
  record.kind = kind;
  record.version = step_id{load<int64_t>(header, 32)};
  record.attempt = {term_id{load<uint64_t>(header, 64)}, round_id{load<uint32_t>(header, 72)}};
  record.counted = load<uint32_t>(header, 76);
  record.number = load<double>(header, 80);
  record.history = history_id{load<uint64_t>(header, history_at)};
  record.hash.assign(header.data() + hash_at,
                     std::min<size_t>(load<uint32_t>(header, 88), file_hash_bytes_max));
  return record;
}

}  // namespace

const char* to_sentence(file_fault fault) {
  switch (fault) {
    case file_fault::absent:
      return "There is no such file.";
    case file_fault::unreadable:
      return "The file cannot be read; look at its permissions and at the disk.";
    case file_fault::truncated:
      return "The file does not have the length that it names: a crash has torn it. It is not "
             "used.";
    case file_fault::too_large:
      return "The file is larger than the limit, or than the memory; raise file_bytes_max.";
    case file_fault::foreign:
      return "The file is none of ours; choose a directory for this worker alone.";
    case file_fault::other_format:
      return "The file was written by another release; it is not used.";
    case file_fault::other_owner:
      return "The file is of another stage, run or model; choose a directory for this worker "
             "alone.";
    case file_fault::damaged:
      return "The file's checksum is wrong: the disk has damaged it. It is not used.";
  }
  return "Unknown fault of a file.";
}

std::optional<file_header> header_of(const file_identity& owner, const file_record& record) {
  const auto& tensor = record.tensor;
  const auto& shape = tensor.shape();
  const bool nothing_in_it = !tensor.empty() && tensor.elements() == 0;
  if (tensor.is_virtual() || nothing_in_it || shape.size() > file_dimensions_max ||
      record.hash.size() > file_hash_bytes_max)
    return std::nullopt;
  const uint64_t bytes = tensor.empty() ? 0 : tensor.bytes();
  file_header header{};
  std::memcpy(header.data(), magic, magic_bytes);
  store(header, 8, file_format);
  store(header, 12, static_cast<uint32_t>(record.kind));
  store(header, 16, uint64_t{file_header_bytes} + bytes);
  store(header, 32, record.version.value());
  store(header, 40, owner.stage.value());
  store(header, 44, static_cast<uint32_t>(tensor.type()));
  store(header, 48, owner.run);
  store(header, 56, owner.model_bytes);
  store(header, 64, record.attempt.term.value());
  store(header, 72, record.attempt.round.value());
  store(header, 76, record.counted);
  store(header, 80, record.number);
  store(header, 88, static_cast<uint32_t>(record.hash.size()));
  store(header, 92, static_cast<uint32_t>(shape.size()));
  for (size_t i = 0; i < shape.size(); ++i)
    store(header, shape_at + 8 * i, shape[i]);
  store(header, history_at, record.history.value());
  std::memcpy(header.data() + hash_at, record.hash.data(), record.hash.size());
  store(header, 24, checksum_of(header, tensor.data(), bytes));
  return header;
}

std::optional<file_fault> read_record(const std::string& path, file_kind kind,
                                      const file_identity& owner, uint64_t file_bytes_max,
                                      file_record& out) {
  input file{path};
  if (file.missing()) return file_fault::absent;
  const auto file_bytes = file.bytes();
  if (!file_bytes) return file_fault::unreadable;
  if (*file_bytes > file_bytes_max) return file_fault::too_large;
  if (*file_bytes < file_header_bytes) return file_fault::truncated;
  file_header header;
  if (!file.read(header.data(), header.size())) return file_fault::unreadable;
  if (auto fault = judge(header, kind, owner, *file_bytes)) return fault;
  const auto bytes = *file_bytes - file_header_bytes;
  const auto shape = shape_of(header, bytes);
  if (!shape) return file_fault::damaged;
  auto record = record_of(header, kind);
  void* to = nullptr;
  try {
    if (!shape->empty())
      record.tensor = tensors::host_tensor::allocate(
          static_cast<tensors::dtype>(load<uint32_t>(header, 44)), *shape, &to);
  } catch (const std::bad_alloc&) {
    return file_fault::too_large;
  }
  if (bytes > 0 && !file.read(to, bytes)) return file_fault::unreadable;
  if (checksum_of(header, record.tensor.data(), bytes) != load<uint64_t>(header, 24))
    return file_fault::damaged;
  out = std::move(record);
  return std::nullopt;
}

}  // namespace swarm::stage
