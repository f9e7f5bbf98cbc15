#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "actors/ids.hpp"
#include "actors/wire/roster.hpp"

namespace swarm::training {

/// The workers and trainers that a coordinator knows of.
class crew {
 public:
  struct worker {
    stage_id stage;
    wire::stage_worker_actor handle;
    weights_id weights{};  ///< that it has shown to be at
  };
  struct trainer {
    uint32_t capacity;
    wire::trainer_inbox handle;
  };

  /// A worker in whatever state.
  struct place {
    worker at;
    wire::replicator_actor replicator;  ///< may be invalid
  };

  explicit crew(int32_t stages) : stages_(stages) {}

  /// All that are known, serving or not.
  const std::map<worker_id, place>& places() const { return places_; }
  /// The stages of which no serving worker has shown to be at these weights or later ones, and none
  /// of those who were asked to make them may still answer.
  std::set<stage_id> unready_stages(weights_id weights, const std::set<worker_id>& asked) const {
    std::set<stage_id> unready;
    for (stage_id s{0}; s.value() < stages_; s = s.next())
      unready.insert(s);
    for (const auto& [id, w] : workers_) {
      if (!(w.weights < weights) || asked.count(id) != 0) unready.erase(w.stage);
    }
    return unready;
  }
  void stands(worker_id id, weights_id weights) {
    const auto found = workers_.find(id);
    if (found != workers_.end()) found->second.weights = weights;
  }

  const std::map<worker_id, worker>& workers() const { return workers_; }
  const std::map<worker_id, worker>& followers() const { return followers_; }
  const std::map<worker_id, trainer>& trainers() const { return trainers_; }

  const worker* find(worker_id id) const {
    const auto found = workers_.find(id);
    return found == workers_.end() ? nullptr : &found->second;
  }

  /// Takes in a worker or trainer. True: a worker that serves, and did not so far.
  bool add(const wire::member& m) {
    if (m.role == wire::member_role::trainer) {
      trainers_[m.id] = {m.capacity, caf::actor_cast<wire::trainer_inbox>(m.handle)};
      return false;
    }
    if (m.role != wire::member_role::stage_worker || m.stage.value() < 0 ||
        m.stage.value() >= stages_)
      return false;
    const worker entry{m.stage, caf::actor_cast<wire::stage_worker_actor>(m.handle),
                       weights_id{history_id{m.history}, step_id{m.version}}};
    places_[m.id] = {entry, m.replicator ? caf::actor_cast<wire::replicator_actor>(m.replicator)
                                         : wire::replicator_actor{}};
    if (m.state == wire::member_state::following) followers_[m.id] = entry;
    if (m.state != wire::member_state::serving) return false;
    followers_.erase(m.id);
    // It repeats itself, to tell its load.
    if (workers_.count(m.id) != 0) {
      stands(m.id, std::max(workers_.at(m.id).weights, entry.weights));
      return false;
    }
    diverged_.erase(m.id);
    workers_[m.id] = entry;
    return true;
  }

  /// No longer serving, or gone.
  bool remove_worker(worker_id id) {
    diverged_.erase(id);
    return workers_.erase(id) != 0;
  }
  void remove_follower(worker_id id) { followers_.erase(id); }
  void remove_place(worker_id id) { places_.erase(id); }
  bool remove_trainer(worker_id id) { return trainers_.erase(id) != 0; }

  /// Its weights are not those of its stage: no part in any sum until it serves anew.
  bool diverged(worker_id id) {
    if (workers_.count(id) == 0) return false;
    diverged_.insert(id);
    return true;
  }

  const std::set<worker_id>& diverged_workers() const { return diverged_; }

  /// Who of a stage takes part in a step: everybody but the diverged, or one alone (the `turn`-th)
  /// when they cannot agree on a sum.
  std::set<worker_id> participants(stage_id stage, bool one_alone, uint32_t turn) const {
    std::vector<worker_id> ids;
    for (const auto& [id, w] : workers_)
      if (w.stage == stage && diverged_.count(id) == 0) ids.push_back(id);
    for (const auto& id : diverged_)
      if (ids.empty() && workers_.at(id).stage == stage) ids.push_back(id);
    if (one_alone && !ids.empty()) return {ids[turn % ids.size()]};
    return {ids.begin(), ids.end()};
  }

  std::vector<worker_id> followers_of(stage_id stage) const {
    std::vector<worker_id> result;
    for (const auto& [id, w] : followers_)
      if (w.stage == stage) result.push_back(id);
    return result;
  }

 private:
  int32_t stages_;
  std::map<worker_id, worker> workers_;
  std::map<worker_id, worker> followers_;
  std::map<worker_id, trainer> trainers_;
  std::set<worker_id> diverged_;
  std::map<worker_id, place> places_;
};

}  // namespace swarm::training
