#include "actors/stage/state_transfer.hpp"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "actors/planted_bug.hpp"

namespace swarm::stage {

using tensors::host_tensor;

uint64_t state_checksum(const void* bytes, size_t count) {
  return XXH3_64bits(bytes, count);
}

void snapshot_store::put(step_id version, host_tensor state, const last_commit& commit) {
  const auto checksum = state_checksum(state.data(), state.bytes());
  snapshots_[version] = {std::move(state), checksum, commit};
  // The one that was just asked for stays, old as it may be.
  while (snapshots_.size() > snapshots_max)
    snapshots_.erase(snapshots_.begin()->first == version ? std::next(snapshots_.begin())
                                                          : snapshots_.begin());
}

std::optional<snapshot_store::chunk> snapshot_store::read(step_id version, uint64_t offset_bytes,
                                                          uint64_t bytes_max) const {
  const auto found = snapshots_.find(version);
  if (found == snapshots_.end()) return std::nullopt;
  const auto& [state, checksum, commit] = found->second;
  if (offset_bytes >= state.bytes()) return std::nullopt;
  return chunk{state, offset_bytes, std::min<uint64_t>(bytes_max, state.bytes() - offset_bytes),
               checksum, commit};
}

state_assembly::progress state_assembly::accept(step_id version, uint64_t total_bytes,
                                                uint64_t offset_bytes, uint64_t checksum,
                                                const void* bytes, size_t count) {
  if (!started()) {
    // Three rows of whole floats: parameters and both moments.
    if (version < step_id{0} || total_bytes == 0 || total_bytes > state_bytes_max ||
        total_bytes % 12 != 0)
      return progress::damaged;
    version_ = version;
    total_bytes_ = total_bytes;
    checksum_ = checksum;
  }
  const bool same = version == version_ && checksum == checksum_;
  if ((!same && !planted(planted_bug::chunks_of_two_versions)) || total_bytes != total_bytes_)
    return progress::stale;
  if (offset_bytes != received_bytes_ || count == 0 || count > total_bytes_ - received_bytes_)
    return progress::stale;
  // Grows with what has really arrived, whatever the donor promises.
  values_.resize((received_bytes_ + count + sizeof(float) - 1) / sizeof(float));
  // Nothing but a mistake of ours makes the checksum wrong.
  const bool forgotten = offset_bytes > 0 && planted(planted_bug::checksum_not_compared);
  if (!forgotten) std::memcpy(reinterpret_cast<char*>(values_.data()) + offset_bytes, bytes, count);
  received_bytes_ += count;
  if (received_bytes_ < total_bytes_) return progress::more;
  const bool whole = state_checksum(values_.data(), total_bytes_) == checksum_ ||
                     planted(planted_bug::chunks_of_two_versions);
  return whole || planted(planted_bug::checksum_not_compared) ? progress::complete
                                                              : progress::damaged;
}

void state_assembly::reset() {
  *this = state_assembly{};
}

host_tensor state_assembly::take() {
  values_.resize(total_bytes_ / sizeof(float));
  const auto row = static_cast<int64_t>(values_.size() / 3);
  auto state = host_tensor::adopt(std::move(values_), {3, row});
  reset();
  return state;
}

}  // namespace swarm::stage
