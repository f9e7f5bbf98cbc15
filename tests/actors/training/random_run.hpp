#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "actors/training/coordinator.hpp"
#include "actors/training/trainer.hpp"
#include "tests/actors/training/stage_life.hpp"
#include "tests/actors/training/virtual_world.hpp"

namespace swarm::testing {

struct setting {
  int32_t stages = 2;
  uint64_t trainers = 1;
  uint64_t candidates = 1;  ///< for the coordinator's office; the first leads from the start
  int64_t steps = 8;
  int64_t microbatches = 6;
  size_t activation_cache_bytes = 1 << 20;
  size_t saved_bytes_max = 1 << 20;
  uint64_t chunk_bytes = stage::state_chunk_bytes_max;
  /// Every worker leaves its state for its next life, so that all of a stage may die at once.
  bool stores = false;
  // Of jobs; 0: never.
  uint64_t one_kill_in = 0;  ///< of a worker or trainer
  uint64_t one_coordinator_kill_in = 0;
  uint64_t one_jump_in = 0;  ///< of time, which makes requests time out that are on their way
};

/// Steps without faults at the end, so that whoever missed something has come back.
inline constexpr int64_t quiet_steps = 2;

/// Coordinators, trainers and stage workers as in production, with the toy engine, under a seed
/// that picks every next job and every victim.
class random_run {
 public:
  random_run(uint64_t seed, const setting& s);
  ~random_run();

  random_run(const random_run&) = delete;
  random_run& operator=(const random_run&) = delete;

  /// True: the target was reached within the bounds, and then `quiet_steps` more, and every
  /// candidate said so.
  bool finish();

  /// Every stage worker's weights are, bit for bit, those of a run without actors.
  bool weights_are_right();

  size_t killed() const { return killed_; }
  size_t coordinators_killed() const { return coordinators_killed_; }
  const std::map<std::string, int>& events() const { return *events_; }
  /// Where everybody stands, for the message about a run that failed.
  std::string describe();

 private:
  struct trainer_life {
    worker_id id;
    training::trainer_actor actor;
  };
  struct coordinator_life {
    worker_id id;
    training::coordinator_actor actor;
    bool asked = false;
  };
  struct sighting {
    int64_t step = 0;  ///< committed when it last announced itself
    bool serving = false;
  };

  caf::actor spawn_watcher();
  void start_coordinator(worker_id id, bool first);
  void start_worker(stage_id at, worker_id id);
  void start_trainer(worker_id id);
  /// Each candidate once in its life.
  void ask_everybody();
  bool answered(bool by_all) const;
  bool reach(int64_t version, bool faults);
  void do_harm();
  bool settled(const stage_life& life) const;
  bool expendable(const stage_life& victim) const;
  void kill_somebody();
  void kill_a_coordinator();
  void restart_the_dead();

  virtual_world world_;
  setting setting_;
  int64_t target_ = 0;
  wire::directory_actor directory_;
  caf::actor watcher_;
  std::map<uint64_t, coordinator_life> coordinators_;
  std::map<uint64_t, stage_life> lives_;
  std::map<uint64_t, trainer_life> trainers_;
  std::shared_ptr<std::map<std::string, int>> events_ =
      std::make_shared<std::map<std::string, int>>();
  int64_t committed_ = 0;
  std::map<worker_id, sighting> seen_;
  std::map<worker_id, int64_t> answers_;  ///< of the candidates
  uint64_t jobs_ = 0;
  size_t killed_ = 0;
  size_t coordinators_killed_ = 0;
};

/// Runs `seeds` seeds from `first`, and checks each; returns the events of all of them. Arguments
/// `-- --times=N` of the test run N times as many.
std::map<std::string, int> check_runs(uint64_t first, uint64_t seeds, const setting& s);

}  // namespace swarm::testing
