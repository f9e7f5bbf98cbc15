#include "tools/swarm/stage_choice.hpp"

#include <algorithm>

#include "actors/random.hpp"

namespace swarm::tools {

stage_id choose_stage(const std::vector<wire::member>& members, int32_t stages, peer_id self,
                      const std::vector<stage_id>& kept) {
  std::vector<size_t> workers(static_cast<size_t>(stages), 0);
  std::vector<size_t> serving(static_cast<size_t>(stages), 0);
  for (const auto& m : members) {
    const auto stage = m.stage.value();
    if (m.role != wire::member_role::stage_worker || m.id.peer == self) continue;
    if (stage < 0 || stage >= stages) continue;
    ++workers[static_cast<size_t>(stage)];
    if (m.state == wire::member_state::serving) ++serving[static_cast<size_t>(stage)];
  }
  for (const auto& k : kept)
    if (k.value() < stages && serving[static_cast<size_t>(k.value())] == 0) return k;
  const auto fewest = *std::min_element(workers.begin(), workers.end());
  for (const auto& k : kept)
    if (k.value() < stages && fewest > 0 && workers[static_cast<size_t>(k.value())] <= fewest + 1)
      return k;
  std::vector<int32_t> neediest;
  for (int32_t s = 0; s < stages; ++s)
    if (workers[static_cast<size_t>(s)] == fewest) neediest.push_back(s);
  return stage_id{neediest[splitmix64{self.value()}.below(neediest.size())]};
}

}  // namespace swarm::tools
