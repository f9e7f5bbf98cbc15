#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/stage/download.hpp"
#include "actors/stage/history_names.hpp"
#include "actors/stage/step_guard.hpp"
#include "tensors/codec/host_tensor.hpp"

namespace swarm::stage {

/// Versions of the state that a store keeps: the newest, and the one before, so that a whole run
/// can step back to a version that every stage has.
inline constexpr size_t states_kept_max = 2;

/// Parameters and optimizer state of one version, and the commit that made it.
struct stored_state {
  step_id version;
  tensors::host_tensor state;
  last_commit commit;
  history_id history{0};
  history_names also{};

  weights_id weights() const { return {history, version}; }
  bool is(weights_id wanted) const {
    return fits(wanted, weights()) || (wanted.version == version && has_name(also, wanted.history));
  }
};

/// The sum over the whole stage for the step that starts from `step`.
struct stored_sum {
  step_id step;
  reduced_sum sum;
  tensors::host_tensor total;
  history_id history{0};

  weights_id weights() const { return {history, step}; }
};

/// What a store says of its promise. `changes` grows whenever it gives or withdraws it.
struct keeping_word {
  bool withdrawn = false;
  uint64_t changes = 0;
  std::string sentence;  ///< what is no longer kept and why, or from which step it is kept again
};

/// The event that tells of it.
inline const char* promise_event(const keeping_word& word) {
  return word.withdrawn ? "promise_withdrawn" : "promise_regained";
}

/// Where a worker leaves what its next life needs, so that a restart loses nothing that it has
/// promised: the sum before it says Reduced, the state before it says Committed. Outlives the
/// worker. Called from the worker's thread; a call must be quick, or copy and return. What has been
/// put when a call returns, the implementation says: it is the most that the promise is worth.
class state_store {
 public:
  virtual ~state_store() = default;

  /// A state replaces those of its version and later ones; of earlier ones the newest stays.
  virtual void put(stored_state state) = 0;
  /// Replaces the last sum.
  virtual void put(stored_sum sum) = 0;

  /// The newest.
  virtual std::optional<stored_state> state() const = 0;
  virtual std::optional<stored_sum> sum() const = 0;

  /// All that are kept, newest first; the first is `state()`.
  virtual std::vector<stored_state> states() const = 0;

  /// The newest version that a later process finds; nothing where none does.
  virtual std::optional<step_id> kept() const { return std::nullopt; }
  /// Every stage has this version on some disk, and no later one: it stays beside those that
  /// put() leaves, if it is there.
  virtual void pin(step_id) {}

  /// A store that cannot write says so here: what was put is in this process's memory only.
  virtual keeping_word word() const { return {}; }
};

/// Which versions stay when one more is put; newest first.
template <class Version, class VersionOf>
void keep_newest(std::vector<Version>& kept, Version added, VersionOf version_of,
                 size_t most = states_kept_max) {
  kept.erase(
      std::remove_if(kept.begin(), kept.end(),
                     [&](const Version& old) { return !(version_of(old) < version_of(added)); }),
      kept.end());
  kept.insert(kept.begin(), std::move(added));
  if (kept.size() > most) kept.erase(kept.begin() + static_cast<ptrdiff_t>(most), kept.end());
}

inline void keep_newest(std::vector<stored_state>& kept, stored_state added) {
  keep_newest(kept, std::move(added), [](const stored_state& s) { return s.version; });
}

/// Survives the worker, not the process.
class memory_state_store final : public state_store {
 public:
  void put(stored_state state) override { keep_newest(states_, std::move(state)); }
  void put(stored_sum sum) override { sum_ = std::move(sum); }

  std::optional<stored_state> state() const override {
    if (states_.empty()) return std::nullopt;
    return states_.front();
  }
  std::optional<stored_sum> sum() const override { return sum_; }
  std::vector<stored_state> states() const override { return states_; }

 private:
  std::vector<stored_state> states_;
  std::optional<stored_sum> sum_;
};

}  // namespace swarm::stage
