#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "actors/ids.hpp"
#include "actors/stage/state_store.hpp"

namespace swarm::stage {

/// Stages whose states one process keeps: its own, the one that it is custodian of, and those of
/// an earlier place until they are dropped.
inline constexpr size_t vault_stages_max = 8;

/// Versions of each. One more than two neighbours must have in common, since a commit may be under
/// way when a stage is lost.
inline constexpr size_t vault_versions_max = 3;

/// The states that one process can hand over to others: copies of its own stage's, left by its
/// worker every so many steps, and of another stage's, fetched by its steward. In memory; of each
/// stage the last `vault_versions_max` versions. Thread-safe: worker and steward share it.
class state_vault {
 public:
  /// As state_store: replaces those of its version and later ones. False: too many stages.
  bool put(stage_id stage, stored_state state) {
    const std::lock_guard<std::mutex> lock{mutex_};
    if (kept_.size() >= vault_stages_max && kept_.count(stage) == 0) return false;
    keep_newest(
        kept_[stage], std::move(state), [](const stored_state& s) { return s.version; },
        vault_versions_max);
    return true;
  }

  std::optional<stored_state> find(stage_id stage, step_id version) const {
    const std::lock_guard<std::mutex> lock{mutex_};
    const auto found = kept_.find(stage);
    if (found == kept_.end()) return std::nullopt;
    for (const auto& state : found->second)
      if (state.version == version) return state;
    return std::nullopt;
  }

  /// Nothing: none of that stage.
  std::optional<step_id> newest(stage_id stage) const {
    const std::lock_guard<std::mutex> lock{mutex_};
    const auto found = kept_.find(stage);
    if (found == kept_.end()) return std::nullopt;
    return found->second.front().version;
  }

  /// By stage, newest first.
  std::map<stage_id, std::vector<step_id>> versions() const {
    const std::lock_guard<std::mutex> lock{mutex_};
    std::map<stage_id, std::vector<step_id>> result;
    for (const auto& [stage, states] : kept_)
      for (const auto& state : states)
        result[stage].push_back(state.version);
    return result;
  }

  /// Drops all other stages.
  void retain(const std::set<stage_id>& stages) {
    const std::lock_guard<std::mutex> lock{mutex_};
    for (auto it = kept_.begin(); it != kept_.end();)
      it = stages.count(it->first) == 0 ? kept_.erase(it) : std::next(it);
  }

 private:
  mutable std::mutex mutex_;
  std::map<stage_id, std::vector<stored_state>> kept_;
};

}  // namespace swarm::stage
