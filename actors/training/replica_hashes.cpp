#include "actors/training/replica_hashes.hpp"

#include <algorithm>

namespace swarm::training {

void replica_hashes::asked(worker_id who, stage_id stage) {
  stage_of_[who] = stage;
  auto& replicas = stages_[stage];
  if (replicas.hashes.count(who) == 0) replicas.open.insert(who);
}

void replica_hashes::said(worker_id who, const std::string& hash) {
  const auto at = stage_of_.find(who);
  if (at == stage_of_.end()) return;
  auto& replicas = stages_.at(at->second);
  replicas.open.erase(who);
  replicas.hashes.emplace(who, hash);
}

void replica_hashes::silent(worker_id who) {
  const auto at = stage_of_.find(who);
  if (at != stage_of_.end()) stages_.at(at->second).open.erase(who);
}

void replica_hashes::decide(replicas& stage) {
  if (stage.truth) return;
  std::map<std::string, size_t> counts;
  for (const auto& [who, hash] : stage.hashes)
    ++counts[hash];
  const auto asked = stage.open.size() + stage.hashes.size();
  size_t most = 0;
  // In the order of the workers, so that of as many the first one's counts.
  for (const auto& [who, hash] : stage.hashes) {
    if (counts.at(hash) <= most) continue;
    most = counts.at(hash);
    if (2 * most > asked || stage.open.empty()) stage.truth = hash;
  }
}

std::vector<worker_id> replica_hashes::take_diverged() {
  std::vector<worker_id> result;
  for (auto& [id, stage] : stages_) {
    decide(stage);
    if (!stage.truth) continue;
    for (const auto& [who, hash] : stage.hashes)
      if (hash != *stage.truth && stage.named.insert(who).second) result.push_back(who);
  }
  return result;
}

}  // namespace swarm::training
