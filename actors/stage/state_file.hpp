#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "actors/ids.hpp"
#include "actors/stage/step_guard.hpp"
#include "tensors/codec/host_tensor.hpp"

/// One tensor and what belongs to it, as a file. All numbers are little-endian.
///
///   bytes    0  magic "SWRMKEPT"          64  attempt: term (8), round (4)
///            8  format (4), kind (4)      76  counted (4)
///           16  bytes of the file (8)     80  scale of a state, squared norm of a sum (8)
///           24  XXH3-64 of all that       88  bytes of the hash (4), dimensions (4)
///               follows (8)               96  shape (7 x 8)
///           32  version (8)              152  history (8); 0 in files of earlier releases
///           40  stage (4), dtype (4)     160  hash of a sum (96), padded with zeroes
///           48  run (8), model bytes (8) 256  the tensor's bytes
namespace swarm::stage {

inline constexpr size_t file_header_bytes = 256;
inline constexpr uint32_t file_format = 1;
inline constexpr size_t file_dimensions_max = 7;
inline constexpr size_t file_hash_bytes_max = 96;

enum class file_kind : uint32_t { state = 1, sum = 2 };

/// Whose file it is. Another's is not read, however well it is preserved.
struct file_identity {
  stage_id stage{0};
  /// Of the run's description; 0 where there is none.
  uint64_t run = 0;
  /// Of the stage's parameters; 0 where nobody knows.
  uint64_t model_bytes = 0;

  friend bool operator==(const file_identity& a, const file_identity& b) {
    return a.stage == b.stage && a.run == b.run && a.model_bytes == b.model_bytes;
  }
};

struct file_record {
  file_kind kind = file_kind::state;
  step_id version{0};
  attempt_id attempt;
  uint32_t counted = 0;
  double number = 0;  ///< scale of a state, squared norm of a sum
  std::string hash;   ///< of a sum
  tensors::host_tensor tensor;
  history_id history{0};
};

/// Why a file is not taken.
enum class file_fault : uint8_t {
  absent,        ///< there is none
  unreadable,    ///< the system does not let us
  truncated,     ///< shorter, or longer, than it says: torn by a crash
  too_large,     ///< larger than the limit, or than the memory
  foreign,       ///< not one of these files, or of the other kind
  other_format,  ///< of another release
  other_owner,   ///< of another stage, run or model
  damaged        ///< the checksum is wrong
};

const char* to_sentence(file_fault fault);

using file_header = std::array<char, file_header_bytes>;

/// Nothing for what has no place in a file: a virtual tensor or one without elements, too many
/// dimensions, too long a hash.
std::optional<file_header> header_of(const file_identity& owner, const file_record& record);

/// Nothing is allocated before the file's real length has been compared with the limit and with
/// what the file says of itself.
std::optional<file_fault> read_record(const std::string& path, file_kind kind,
                                      const file_identity& owner, uint64_t file_bytes_max,
                                      file_record& out);

}  // namespace swarm::stage
