#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "actors/ids.hpp"

namespace swarm::stage {

/// Which other stage's state a worker's process keeps a copy of, so that it outlives its stage: the
/// first of each stage keeps the next stage's, the second the one's after that, and so on round.
/// So every stage has a backup as long as the stage before it has anybody, and the more workers
/// there are, the more copies. Nothing when there is one stage only.
inline std::optional<stage_id> backup_stage_of(const std::map<worker_id, stage_id>& workers,
                                               int32_t stages, worker_id self, stage_id own) {
  if (stages < 2) return std::nullopt;
  int64_t rank = 0;
  for (const auto& [id, stage] : workers)
    if (stage == own && id < self) ++rank;
  const auto ahead = 1 + static_cast<int32_t>(rank % (stages - 1));
  return stage_id{(own.value() + ahead) % stages};
}

}  // namespace swarm::stage
