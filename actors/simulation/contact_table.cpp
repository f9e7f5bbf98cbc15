#include "actors/simulation/contact_table.hpp"

#include <algorithm>
#include <utility>

namespace swarm::simulation {

contact_table::news contact_table::hear(host_id from, uint32_t life, uint64_t sequence,
                                        uint64_t version, moment now) {
  const auto [place, unknown] = contacts_.try_emplace(from);
  auto& known = place->second;
  if (unknown || life > known.life) {
    known = {life, sequence, version, now};
    return news::reborn;
  }
  if (life < known.life || sequence <= known.sequence) return news::stale;
  const bool changed = known.lost || version != known.version;
  known = {life, sequence, version, now};
  return changed ? news::changed : news::refresh;
}

bool contact_table::close(host_id which, uint32_t life) {
  const auto found = contacts_.find(which);
  if (found == contacts_.end() || found->second.life > life) return false;
  contacts_.erase(found);
  return true;
}

bool contact_table::lose(host_id which) {
  const auto found = contacts_.find(which);
  return found != contacts_.end() && !std::exchange(found->second.lost, true);
}

std::vector<host_id> contact_table::expire(moment now) {
  std::vector<host_id> result;
  const auto limit = expiry();
  for (auto& [id, known] : contacts_) {
    if (known.lost || now - known.heard <= limit) continue;
    known.lost = true;
    result.push_back(id);
  }
  return result;
}

bool contact_table::in_contact(host_id which) const {
  const auto found = contacts_.find(which);
  return found != contacts_.end() && !found->second.lost;
}

moment contact_table::refresh() const {
  const double seconds = static_cast<double>(contacts_.size()) / options_.refreshes_per_s_max;
  return std::max(options_.refresh, moment{static_cast<int64_t>(seconds * 1e9)});
}

moment contact_table::expiry() const {
  return moment{
      static_cast<int64_t>(static_cast<double>(refresh().count()) * options_.expiry_refreshes)};
}

}  // namespace swarm::simulation
