#include "actors/training/rescue.hpp"

#include <algorithm>

namespace swarm::training {

namespace {

using versions_map = std::map<stage_id, std::map<weights_id, std::vector<worker_id>>>;

versions_map holders_of(const inventory_map& inventories) {
  versions_map result;
  for (const auto& [who, kept] : inventories)
    for (const auto& [stage, states] : kept)
      for (const auto& weights : states)
        result[stage][weights].push_back(who);
  return result;
}

std::optional<weights_id> newest_common(const versions_map& holders, int32_t stages) {
  const auto first = holders.find(stage_id{0});
  if (first == holders.end()) return std::nullopt;
  for (auto it = first->second.rbegin(); it != first->second.rend(); ++it) {
    bool everywhere = true;
    for (stage_id s{0}; s.value() < stages && everywhere; s = s.next()) {
      const auto found = holders.find(s);
      everywhere = found != holders.end() && found->second.count(it->first) != 0;
    }
    if (everywhere) return it->first;
  }
  return std::nullopt;
}

/// The stage whose copies keep the others from common weights: one without any, else the one
/// whose newest is the oldest.
rescue lost(const versions_map& holders, int32_t stages) {
  rescue result;
  result.what = rescue::verdict::lost;
  for (const auto& [stage, versions] : holders)
    result.newest[stage] = versions.rbegin()->first;
  for (stage_id s{0}; s.value() < stages; s = s.next()) {
    if (result.newest.count(s) == 0) {
      result.stage = s;
      return result;
    }
    if (!result.stage || result.newest[s] < result.newest[*result.stage]) result.stage = s;
  }
  return result;
}

}  // namespace

std::string rescue::sentence() const {
  if (!stage) return {};
  const auto which = "stage " + std::to_string(stage->value());
  if (what == verdict::wait)
    return which +
           " has no peer that answers and no other stage can spare one: start a further peer";
  if (what != verdict::lost) return {};
  std::string others;
  for (const auto& [s, weights] : newest)
    others += (others.empty() ? "" : ", ") + std::to_string(s.value()) + " at step " +
              std::to_string(weights.version.value());
  return "no copy of " + which + " is left that goes with the others' (newest copies: stage " +
         (others.empty() ? "none" : others) +
         "): bring back a peer that kept its state, or begin anew from a checkpoint";
}

std::string resumed_sentence(step_id version) {
  return "the run resumes at step " + std::to_string(version.value()) +
         ", the newest that every stage has";
}

std::string rescued_sentence(std::optional<stage_id> stage, step_id from, step_id to) {
  const auto which = stage ? "stage " + std::to_string(stage->value()) : std::string{"a stage"};
  if (from == to)
    return which + " was lost and comes back: the run goes on from step " +
           std::to_string(to.value());
  return which + " was lost: the run goes back from step " + std::to_string(from.value()) + " to " +
         std::to_string(to.value());
}

/// Whether this copy of a stage's states outlives the stage; `own`: that of whoever has it, if
/// known.
static bool counts(weights_id weights, std::optional<stage_id> own,
                   const stage_copies::value_type& copy, int32_t stages) {
  return copy.second.count(weights) != 0 && (stages == 1 || copy.first != own);
}

bool is_backup(weights_id weights, stage_id own, const stage_copies& kept, int32_t stages) {
  return std::any_of(kept.begin(), kept.end(),
                     [&](const auto& copy) { return counts(weights, own, copy, stages); });
}

bool backed_up(weights_id weights, const std::map<worker_id, stage_id>& places,
               const inventory_map& inventories, int32_t stages) {
  std::map<stage_id, size_t> copies;
  for (const auto& [who, kept] : inventories) {
    const auto place = places.find(who);
    const auto own = place == places.end() ? std::nullopt : std::optional{place->second};
    for (const auto& copy : kept)
      if (counts(weights, own, copy, stages)) ++copies[copy.first];
  }
  const size_t wanted = stages == 1 ? 2 : 1;
  for (stage_id s{0}; s.value() < stages; s = s.next())
    if (copies[s] < wanted) return false;
  return true;
}

rescue plan_rescue(const std::map<worker_id, stage_id>& places, const inventory_map& inventories,
                   int32_t stages, const std::set<worker_id>& silent) {
  const auto holders = holders_of(inventories);
  const auto weights = newest_common(holders, stages);
  if (!weights) return lost(holders, stages);
  rescue result;
  result.weights = *weights;
  std::map<stage_id, std::vector<worker_id>> crews;
  std::set<stage_id> hoped_for;  // only silent ones are there
  for (const auto& [id, stage] : places) {
    if (silent.count(id) == 0) {
      crews[stage].push_back(id);
    } else {
      hoped_for.insert(stage);
    }
  }
  for (stage_id s{0}; s.value() < stages; s = s.next()) {
    result.holders[s] = holders.at(s).at(*weights);
    if (!crews[s].empty()) continue;
    const auto largest = std::max_element(crews.begin(), crews.end(), [](auto& a, auto& b) {
      return a.second.size() < b.second.size();
    });
    if (largest->second.size() < 2) {
      if (hoped_for.count(s) != 0) continue;
      result.what = rescue::verdict::wait;
      result.stage = s;
      result.moves.clear();
      return result;
    }
    const auto who = largest->second.back();
    largest->second.pop_back();
    crews[s].push_back(who);
    result.moves.emplace_back(who, s);
  }
  result.what = result.moves.empty() ? rescue::verdict::restore : rescue::verdict::move;
  return result;
}

}  // namespace swarm::training
