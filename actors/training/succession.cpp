#include "actors/training/succession.hpp"

#include <algorithm>
#include <set>

#include "actors/planted_bug.hpp"

namespace swarm::training {

namespace {

using positions_map = std::map<worker_id, position>;
using holders = std::vector<std::pair<worker_id, const position*>>;

/// The newest weights of each stage; nothing for a stage without an answer.
std::vector<std::optional<weights_id>> newest(const positions_map& positions, int32_t stages) {
  std::vector<std::optional<weights_id>> result(static_cast<size_t>(stages));
  for (const auto& [id, s] : positions) {
    auto& weights = result[static_cast<size_t>(s.stage.value())];
    if (!weights || *weights < s.weights) weights = s.weights;
  }
  return result;
}

bool have_one_sum(const position& a, const position& b) {
  return a.hash == b.hash && a.squared_norm == b.squared_norm && a.counted == b.counted;
}

/// Who of the stage has the newest of the sums that `counts`.
template <class Counts>
holders holders_of_newest(const positions_map& positions, stage_id stage, weights_id weights,
                          Counts counts) {
  holders result;
  for (const auto& [id, s] : positions) {
    if (s.stage != stage || s.weights != weights || s.reduced.none() || !counts(s)) continue;
    if (!result.empty() && s.reduced < result.front().second->reduced) continue;
    if (!result.empty() && result.front().second->reduced < s.reduced) result.clear();
    result.emplace_back(id, &s);
  }
  return result;
}

/// Those who have the sum that most of them have; nobody when none has a majority. A member that
/// counted as dead and went on is alone with its own.
holders with_one_sum(const holders& all) {
  for (const auto& [id, sum] : all) {
    holders same;
    for (const auto& other : all)
      if (have_one_sum(*other.second, *sum)) same.push_back(other);
    if (2 * same.size() > all.size()) return same;
  }
  return {};
}

/// Ends at the lagging stages the step that others have committed.
succession finish(const positions_map& positions, int32_t stages, weights_id weights,
                  const std::vector<std::optional<weights_id>>& by_stage, int64_t microbatches) {
  succession result;
  result.weights = weights;
  attempt_id attempt;
  for (const auto& [id, s] : positions) {
    if (s.weights != weights || s.committed.none()) continue;
    attempt = s.committed;
    result.scale = s.scale;
    result.counted = s.committed_counted;
    break;
  }
  result.what = succession::verdict::finish;
  const weights_id before = weights.previous();
  // Nobody of a lagging stage has applied anything, so any sum of the same microbatches will do.
  const auto goes_with_it = [&](const position& s) {
    if (attempt.none() || s.counted != result.counted) return false;
    return s.reduced.term == attempt.term || result.counted == microbatches;
  };
  for (stage_id stage{0}; stage.value() < stages; stage = stage.next()) {
    if (*by_stage[static_cast<size_t>(stage.value())] == weights) continue;
    const auto able = with_one_sum(holders_of_newest(positions, stage, before, goes_with_it));
    for (const auto& [id, s] : able)
      result.lagging[id] = {s->reduced, s->hash};
    if (!able.empty()) continue;
    result.what = succession::verdict::behind;
    result.stage = stage;
    return result;
  }
  return result;
}

/// Every stage has a sum that `counts`, and they are of as many microbatches.
template <class Counts>
std::optional<succession> complete(const positions_map& positions, int32_t stages,
                                   weights_id weights, Counts counts) {
  succession result;
  result.what = succession::verdict::commit;
  result.weights = weights;
  for (stage_id stage{0}; stage.value() < stages; stage = stage.next()) {
    const auto able = holders_of_newest(positions, stage, weights, counts);
    if (able.empty()) return std::nullopt;
    const auto& sum = *able.front().second;
    // To gather again costs a round; to take one of two sums may cost a replica.
    for (const auto& [id, other] : able)
      if (!have_one_sum(*other, sum)) return std::nullopt;
    if (stage == stage_id{0}) result.counted = sum.counted;
    if (sum.counted != result.counted) return std::nullopt;
    result.squared_norm += sum.squared_norm;
    for (const auto& [id, s] : able)
      result.lagging[id] = {s->reduced, s->hash};
  }
  return result;
}

std::optional<succession> complete(const positions_map& positions, int32_t stages,
                                   weights_id weights, int64_t microbatches) {
  std::set<term_id> terms;
  for (const auto& [id, s] : positions)
    if (s.weights == weights && !s.reduced.none()) terms.insert(s.reduced.term);
  for (auto it = terms.rbegin(); it != terms.rend(); ++it)
    if (auto one = complete(positions, stages, weights,
                            [&](const position& s) { return s.reduced.term == *it; }))
      return one;
  return complete(positions, stages, weights,
                  [&](const position& s) { return s.counted == microbatches; });
}

/// All stages are there: whoever is not lacks at most the last commit.
succession begin(const positions_map& positions, weights_id weights) {
  succession result;
  result.what = succession::verdict::begin;
  result.weights = weights;
  if (planted(planted_bug::take_over_forgets_commit)) return result;
  for (const auto& [id, s] : positions) {
    if (s.weights != weights || s.committed.none()) continue;
    auto& made_by = result.made_by[s.stage];
    if (!made_by.attempt.none() && !made_by.hash.empty()) continue;
    made_by = {s.committed, s.committed_hash};
    result.scale = s.scale;
    result.counted = s.committed_counted;
  }
  for (const auto& [id, s] : positions) {
    const auto made = result.made_by.find(s.stage);
    if (s.weights.next() != weights || made == result.made_by.end()) continue;
    const auto& sum = made->second;
    if (s.reduced == sum.attempt && (sum.hash.empty() || s.hash == sum.hash))
      result.lagging[id] = {s.reduced, s.hash};
  }
  return result;
}

}  // namespace

std::set<stage_id> stages_without(const positions_map& positions, int32_t stages) {
  std::set<stage_id> result;
  for (stage_id s{0}; s.value() < stages; s = s.next())
    result.insert(s);
  for (const auto& [id, s] : positions)
    result.erase(s.stage);
  return result;
}

succession succeed(const positions_map& positions, int32_t stages, int64_t microbatches) {
  const auto by_stage = newest(positions, stages);
  succession result;
  for (int32_t stage = 0; stage < stages; ++stage) {
    const auto& weights = by_stage[static_cast<size_t>(stage)];
    if (!weights) {
      result.stage = stage_id{stage};
      return result;
    }
    result.weights = std::max(result.weights, *weights);
  }
  const bool level = std::all_of(by_stage.begin(), by_stage.end(),
                                 [&](const auto& v) { return *v == result.weights; });
  if (!level && !planted(planted_bug::take_over_forgets_commit))
    return finish(positions, stages, result.weights, by_stage, microbatches);
  if (auto whole = complete(positions, stages, result.weights, microbatches)) return *whole;
  return begin(positions, result.weights);
}

}  // namespace swarm::training
