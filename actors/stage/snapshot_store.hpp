#pragma once

#include <cstddef>
#include <cstdint>
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

/// Stages whose states one process keeps: its own, the one that it backs up, and those of
/// an earlier place until they are dropped.
inline constexpr size_t snapshot_stages_max = 8;

/// Versions of each. One more than two neighbours must have in common, since a commit may be under
/// way when a stage is lost.
inline constexpr size_t snapshot_versions_max = 3;

/// The states that one process can hand over to others: copies of its own stage's, left by its
/// worker every so many steps, and of another stage's, fetched by its replicator. In memory; of
/// each stage the last `snapshot_versions_max` versions. Thread-safe: worker and replicator share
/// it.
///
/// With `disk`, its next life finds what each stage's store has of them: of `stages` stages what
/// was there is read at once. Stores should write behind: put() is called while others wait.
///
/// In memory are at most `memory_bytes_max` of them, the newest. What is above that is only on the
/// disk, from where it is read when somebody asks; without a disk it goes, the oldest first, and
/// what is too large as a whole is not kept at all.
class snapshot_store {
 public:
  using disk_of_stage = std::function<std::shared_ptr<state_store>(stage_id)>;

  snapshot_store() = default;
  explicit snapshot_store(uint64_t memory_bytes_max) : memory_bytes_max_(memory_bytes_max) {}
  snapshot_store(disk_of_stage disk, const std::vector<stage_id>& stages,
                 uint64_t memory_bytes_max = ~uint64_t{0})
      : memory_bytes_max_(memory_bytes_max), disk_(std::move(disk)) {
    for (const auto stage : stages) {
      auto states = store_of(stage).states();
      if (states.empty() || kept_.size() >= snapshot_stages_max) continue;
      kept_[stage] = std::move(states);
      make_room();
    }
  }

  /// As state_store: replaces those of its version and later ones. False: too many stages, the
  /// copy is of an earlier history than one that is here, or there is no room for it anywhere.
  bool put(stage_id stage, stored_state state) {
    const std::lock_guard<std::mutex> lock{mutex_};
    const auto there = kept_.find(stage);
    if (there == kept_.end() && kept_.size() >= snapshot_stages_max) return false;
    if (there != kept_.end() && state.history < there->second.front().history) return false;
    if (!has_place_for(state.state.bytes())) return false;
    if (disk_) store_of(stage).put(state);
    const auto version = state.version;
    keep_newest(
        kept_[stage], std::move(state), [](const stored_state& s) { return s.version; },
        snapshot_versions_max);
    make_room();
    const auto found = kept_.find(stage);
    return found != kept_.end() && found->second.front().version == version;
  }

  /// Whether a state of so many bytes can be kept at all. Whoever would make or fetch one that
  /// cannot needs the memory and the line for something else.
  bool has_place_for(uint64_t bytes) const { return disk_ || bytes <= memory_bytes_max_; }

  /// Of the states that are in memory.
  uint64_t memory_bytes() const {
    const std::lock_guard<std::mutex> lock{mutex_};
    return bytes_in_memory();
  }

  std::optional<stored_state> find(stage_id stage, weights_id wanted) const {
    const std::lock_guard<std::mutex> lock{mutex_};
    const auto found = kept_.find(stage);
    if (found == kept_.end()) return std::nullopt;
    for (const auto& state : found->second)
      if (state.is(wanted)) return whole(stage, state);
    return std::nullopt;
  }

  /// Nothing: none of that stage.
  std::optional<weights_id> newest(stage_id stage) const {
    const std::lock_guard<std::mutex> lock{mutex_};
    const auto found = kept_.find(stage);
    if (found == kept_.end()) return std::nullopt;
    return found->second.front().weights();
  }

  /// By stage, newest first; under all their names.
  std::map<stage_id, std::vector<weights_id>> versions() const {
    const std::lock_guard<std::mutex> lock{mutex_};
    std::map<stage_id, std::vector<weights_id>> result;
    for (const auto& [stage, states] : kept_)
      for (const auto& state : states) {
        result[stage].push_back(state.weights());
        for (const auto name : state.also)
          if (name != state.history) result[stage].push_back({name, state.version});
      }
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
  uint64_t bytes_in_memory() const {
    uint64_t bytes = 0;
    for (const auto& [stage, states] : kept_)
      for (const auto& state : states)
        if (!state.state.empty()) bytes += state.state.bytes();
    return bytes;
  }

  /// From the disk, if it is only there.
  std::optional<stored_state> whole(stage_id stage, const stored_state& kept) const {
    if (!kept.state.empty()) return kept;
    const auto store = stores_.find(stage);
    if (store == stores_.end()) return std::nullopt;
    for (auto& state : store->second->states())
      if (state.version == kept.version) {
        auto result = kept;
        result.state = std::move(state.state);
        return result;
      }
    return std::nullopt;
  }

  /// Of all that are in memory the oldest of a stage that has newer ones goes first, then the rest.
  void make_room() {
    while (bytes_in_memory() > memory_bytes_max_) {
      std::vector<stored_state>* of = nullptr;
      size_t oldest = 0;
      for (auto& [stage, states] : kept_)
        for (size_t i = states.size(); i-- > 0;)
          if (!states[i].state.empty() && (of == nullptr || i > oldest)) {
            of = &states;
            oldest = i;
          }
      if (disk_ && oldest < states_kept_max) {
        (*of)[oldest].state = {};
      } else {
        of->erase(of->begin() + static_cast<ptrdiff_t>(oldest));
      }
      for (auto it = kept_.begin(); it != kept_.end();)
        it = it->second.empty() ? kept_.erase(it) : std::next(it);
    }
  }

  state_store& store_of(stage_id stage) {
    auto& store = stores_[stage];
    if (!store) store = disk_(stage);
    return *store;
  }

  mutable std::mutex mutex_;
  uint64_t memory_bytes_max_ = ~uint64_t{0};
  disk_of_stage disk_;
  std::map<stage_id, std::shared_ptr<state_store>> stores_;
  std::map<stage_id, std::vector<stored_state>> kept_;
};

}  // namespace swarm::stage
