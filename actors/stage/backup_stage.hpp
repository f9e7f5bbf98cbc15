#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "actors/ids.hpp"
#include "actors/random.hpp"

namespace swarm::stage {

/// Workers of one stage that keep a copy of another stage's state. A copy costs its bytes over the
/// keeper's line and their room: a hundred copies of each stage outlive nothing that three do not.
inline constexpr int32_t backups_per_stage = 3;

/// Which other stage's state a worker's process keeps a copy of, so that it outlives its stage.
/// Of each stage the first backup keeps the next stage's, the second the one's after that, and so
/// on round; so every stage has a copy as long as the stage before it has anybody. Who is a backup
/// is drawn from the peers' ids (rendezvous hashing, Thaler and Ravishankar 1998): one that dies
/// or comes moves its own place only. Nothing for all others, and when there is one stage only.
/// `workers`: those that serve, self included.
inline std::optional<stage_id> backup_stage_of(const std::map<worker_id, stage_id>& workers,
                                               int32_t stages, worker_id self, stage_id own) {
  if (stages < 2) return std::nullopt;
  std::set<worker_id> taken;
  for (int32_t place = 0; place < backups_per_stage; ++place) {
    std::optional<std::pair<uint64_t, worker_id>> first;
    for (const auto& [id, stage] : workers) {
      if (stage != own || taken.count(id) != 0) continue;
      const auto drawn = mixed_bits(id.peer.value() ^ mixed_bits(static_cast<uint64_t>(place) + 1));
      const std::pair<uint64_t, worker_id> candidate{drawn, id};
      first = first ? std::min(*first, candidate) : candidate;
    }
    if (!first) return std::nullopt;
    if (first->second == self) return stage_id{(own.value() + 1 + place % (stages - 1)) % stages};
    taken.insert(first->second);
  }
  return std::nullopt;
}

}  // namespace swarm::stage
