#include "actors/training/succession.hpp"

#include <algorithm>
#include <set>

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
                  const std::vector<std::optional<step_id>>& by_stage, int64_t microbatches) {
  succession result;
  result.version = version;
  attempt_id attempt;
  for (const auto& [id, s] : standings) {
    if (s.version != version || s.committed.none()) continue;
    attempt = s.committed;
    result.scale = s.scale;
    result.counted = s.committed_counted;
    break;
  }
  result.what = succession::verdict::finish;
  const auto has_sum = [&](const standing& s) {
    if (attempt.none() || s.reduced.none()) return false;
    return s.reduced == attempt || (result.counted == microbatches && s.counted == microbatches);
  };
  for (int32_t stage = 0; stage < stages; ++stage) {
    if (*by_stage[static_cast<size_t>(stage)] == version) continue;
    bool able = false;
    for (const auto& [id, s] : standings) {
      if (s.stage != stage_id{stage} || s.version.next() != version || !has_sum(s)) continue;
      result.lagging[id] = s.reduced;
      able = true;
    }
    if (able) continue;
    result.what = succession::verdict::behind;
    result.stage = stage_id{stage};
    return result;
  }
  return result;
}

/// The holders of each stage's newest sum among those that `counts`; nothing if a stage has none,
/// or its holders disagree.
template <class Counts>
std::optional<succession> complete(const standings_map& standings, int32_t stages, step_id version,
                                   Counts counts) {
  std::map<stage_id, const standing*> newest_sum;
  const auto good = [&](const standing& s) {
    return s.version == version && !s.reduced.none() && counts(s);
  };
  for (const auto& [id, s] : standings) {
    if (!good(s)) continue;
    auto& best = newest_sum[s.stage];
    if (best == nullptr || best->reduced < s.reduced) best = &s;
  }
  if (newest_sum.size() != static_cast<size_t>(stages)) return std::nullopt;
  succession result;
  result.what = succession::verdict::commit;
  result.version = version;
  result.counted = newest_sum.begin()->second->counted;
  for (const auto& [stage, best] : newest_sum) {
    result.squared_norm += best->squared_norm;
    if (best->counted != result.counted) return std::nullopt;
  }
  for (const auto& [id, s] : standings) {
    if (!good(s)) continue;
    const auto& best = *newest_sum.at(s.stage);
    if (s.reduced != best.reduced) continue;
    if (s.hash != best.hash || s.squared_norm != best.squared_norm || s.counted != best.counted)
      return std::nullopt;
    result.lagging[id] = s.reduced;
  }
  return result;
}

std::optional<succession> complete(const standings_map& standings, int32_t stages, step_id version,
                                   int64_t microbatches) {
  std::set<attempt_id> attempts;
  for (const auto& [id, s] : standings)
    if (s.version == version && !s.reduced.none()) attempts.insert(s.reduced);
  for (auto it = attempts.rbegin(); it != attempts.rend(); ++it)
    if (auto one = complete(standings, stages, version,
                            [&](const standing& s) { return s.reduced == *it; }))
      return one;
  return complete(standings, stages, version,
                  [&](const standing& s) { return s.counted == microbatches; });
}

/// All stages are there: whoever is not lacks at most the last commit.
succession begin(const standings_map& standings, step_id version) {
  succession result;
  result.what = succession::verdict::begin;
  result.version = version;
  if (planted(planted_bug::take_over_forgets_commit)) return result;
  for (const auto& [id, s] : standings) {
    if (s.version != version || s.committed.none()) continue;
    result.made_by = s.committed;
    result.scale = s.scale;
    result.counted = s.committed_counted;
    break;
  }
  for (const auto& [id, s] : standings)
    if (s.version.next() == version && !s.reduced.none() && s.reduced == result.made_by)
      result.lagging[id] = s.reduced;
  return result;
}

}  // namespace

succession succeed(const standings_map& standings, int32_t stages, int64_t microbatches) {
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
    return finish(standings, stages, result.version, by_stage, microbatches);
  if (auto whole = complete(standings, stages, result.version, microbatches)) return *whole;
  return begin(standings, result.version);
}

}  // namespace swarm::training
