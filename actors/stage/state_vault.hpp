#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
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
///
/// With `disk`, its next life finds what each stage's store has of them: of `stages` stages what
/// was there is read at once. Stores should write behind: put() is called while others wait.
class state_vault {
 public:
  using disk_of_stage = std::function<std::shared_ptr<state_store>(stage_id)>;

  state_vault() = default;
  state_vault(disk_of_stage disk, const std::vector<stage_id>& stages) : disk_(std::move(disk)) {
    for (const auto stage : stages) {
      auto states = store_of(stage).states();
      if (!states.empty() && kept_.size() < vault_stages_max) kept_[stage] = std::move(states);
    }
  }

  /// As state_store: replaces those of its version and later ones. False: too many stages.
  bool put(stage_id stage, stored_state state) {
    const std::lock_guard<std::mutex> lock{mutex_};
    if (kept_.size() >= vault_stages_max && kept_.count(stage) == 0) return false;
    if (disk_) store_of(stage).put(state);
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

  /// By stage, what the stores behind it say of their promise.
  std::map<stage_id, keeping_word> words() const {
    const std::lock_guard<std::mutex> lock{mutex_};
    std::map<stage_id, keeping_word> result;
    for (const auto& [stage, store] : stores_)
      result[stage] = store->word();
    return result;
  }

  /// Drops all other stages.
  void retain(const std::set<stage_id>& stages) {
    const std::lock_guard<std::mutex> lock{mutex_};
    for (auto it = kept_.begin(); it != kept_.end();)
      it = stages.count(it->first) == 0 ? kept_.erase(it) : std::next(it);
  }

 private:
  state_store& store_of(stage_id stage) {
    auto& store = stores_[stage];
    if (!store) store = disk_(stage);
    return *store;
  }

  mutable std::mutex mutex_;
  disk_of_stage disk_;
  std::map<stage_id, std::shared_ptr<state_store>> stores_;
  std::map<stage_id, std::vector<stored_state>> kept_;
};

}  // namespace swarm::stage
