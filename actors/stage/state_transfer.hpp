#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "actors/ids.hpp"
#include "actors/stage/step_guard.hpp"
#include "tensors/codec/host_tensor.hpp"

namespace swarm::stage {

/// Bytes of one StateChunk.
inline constexpr size_t state_chunk_bytes_max = size_t{1} << 20;
/// Snapshots a donor keeps for joiners; each is a copy of parameters and optimizer state.
inline constexpr size_t snapshots_max = 2;
/// A joiner refuses a larger state: nothing that a peer says makes it allocate more.
inline constexpr uint64_t state_bytes_max = uint64_t{1} << 38;

/// XXH3-64.
uint64_t state_checksum(const void* bytes, size_t count);

/// The donor's side: snapshots by version, newest few.
class snapshot_store {
 public:
  struct chunk {
    tensors::host_tensor state;  ///< whole snapshot; the chunk is [offset, offset + size)
    uint64_t offset_bytes = 0;
    uint64_t size_bytes = 0;
    uint64_t checksum = 0;
    last_commit commit;  ///< that made this version
  };

  void put(step_id version, tensors::host_tensor state, const last_commit& commit = {});
  bool has(step_id version) const { return snapshots_.count(version) != 0; }

  /// At most `bytes_max` of them. Nothing when there is no such snapshot or the offset is past its
  /// end.
  std::optional<chunk> read(step_id version, uint64_t offset_bytes,
                            uint64_t bytes_max = state_chunk_bytes_max) const;

 private:
  struct snapshot {
    tensors::host_tensor state;
    uint64_t checksum;
    last_commit commit;
  };
  std::map<step_id, snapshot> snapshots_;
};

/// The joiner's side: one download, from any number of donors that have the same snapshot.
class state_assembly {
 public:
  enum class progress : uint8_t {
    more,      ///< ask for `next_offset_bytes`
    complete,  ///< `take` it
    stale,     ///< another version or checksum: start again
    damaged    ///< complete, but the checksum is wrong: start again
  };

  progress accept(step_id version, uint64_t total_bytes, uint64_t offset_bytes, uint64_t checksum,
                  const void* bytes, size_t count);

  bool started() const { return total_bytes_ != 0; }
  step_id version() const { return version_; }
  uint64_t next_offset_bytes() const { return received_bytes_; }
  void reset();

  /// f32 [3, n], as the engine exported it. Precondition: complete.
  tensors::host_tensor take();

 private:
  step_id version_{0};
  uint64_t total_bytes_ = 0;
  uint64_t received_bytes_ = 0;
  uint64_t checksum_ = 0;
  std::vector<float> values_;
};

}  // namespace swarm::stage
