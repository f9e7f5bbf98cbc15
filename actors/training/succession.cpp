#include "actors/training/succession.hpp"

#include <algorithm>

#include "actors/planted_bug.hpp"

namespace swarm::training {

namespace {

using standings_map = std::map<worker_id, standing>;

/// The newest version of each stage; nothing for a stage without an answer.
std::vector<std::optional<step_id>> newest(const standings_map& standings, int32_t stages) {
  std::vector<std::optional<step_id>> result(static_cast<size_t>(stages));
  for (const auto& [id, s] : standings) {
    auto& version = result[static_cast<size_t>(s.stage.value())];
    if (!version || *version < s.version) version = s.version;
  }
  return result;
}

/// Ends at the lagging stages the step that others have committed.
succession finish(const standings_map& standings, int32_t stages, step_id version,
                  const std::vector<std::optional<step_id>>& by_stage) {
  succession result;
  result.version = version;
  for (const auto& [id, s] : standings) {
    if (s.version != version || s.committed.none()) continue;
    result.attempt = s.committed;
    result.scale = s.scale;
    break;
  }
  result.what = succession::verdict::finish;
  for (int32_t stage = 0; stage < stages; ++stage) {
    if (*by_stage[static_cast<size_t>(stage)] == version) continue;
    bool able = false;
    for (const auto& [id, s] : standings) {
      if (s.stage != stage_id{stage} || s.version.next() != version) continue;
      if (result.attempt.none() || s.reduced != result.attempt) continue;
      result.lagging.push_back(id);
      able = true;
    }
    if (able) continue;
    result.what = succession::verdict::behind;
    result.stage = stage_id{stage};
    return result;
  }
  return result;
}

/// The newest attempt that every stage has reduced, all its holders with one hash.
std::optional<succession> complete(const standings_map& standings, int32_t stages,
                                   step_id version) {
  struct stage_sum {
    std::string hash;
    double squared_norm;
    uint32_t counted;
    bool differs = false;
  };
  std::map<attempt_id, std::map<stage_id, stage_sum>> attempts;
  for (const auto& [id, s] : standings) {
    if (s.version != version || s.reduced.none()) continue;
    const auto [found, fresh] =
        attempts[s.reduced].emplace(s.stage, stage_sum{s.hash, s.squared_norm, s.counted});
    if (!fresh && (found->second.hash != s.hash || found->second.squared_norm != s.squared_norm ||
                   found->second.counted != s.counted))
      found->second.differs = true;
  }
  for (auto it = attempts.rbegin(); it != attempts.rend(); ++it) {
    const auto& sums = it->second;
    if (sums.size() != static_cast<size_t>(stages)) continue;
    succession result;
    result.what = succession::verdict::commit;
    result.version = version;
    result.attempt = it->first;
    result.counted = sums.begin()->second.counted;
    bool sound = true;
    for (const auto& [stage, sum] : sums) {
      sound = sound && !sum.differs && sum.counted == result.counted;
      result.squared_norm += sum.squared_norm;
    }
    if (!sound) continue;
    for (const auto& [id, s] : standings)
      if (s.version == version && s.reduced == result.attempt) result.lagging.push_back(id);
    return result;
  }
  return std::nullopt;
}

}  // namespace

succession succeed(const standings_map& standings, int32_t stages) {
  const auto by_stage = newest(standings, stages);
  succession result;
  for (int32_t stage = 0; stage < stages; ++stage) {
    const auto& version = by_stage[static_cast<size_t>(stage)];
    if (!version) {
      result.stage = stage_id{stage};
      return result;
    }
    result.version = std::max(result.version, *version);
  }
  const bool level = std::all_of(by_stage.begin(), by_stage.end(),
                                 [&](const auto& v) { return *v == result.version; });
  if (!level && !planted(planted_bug::take_over_forgets_commit))
    return finish(standings, stages, result.version, by_stage);
  if (auto whole = complete(standings, stages, result.version)) return *whole;
  result.what = succession::verdict::begin;
  return result;
}

}  // namespace swarm::training
