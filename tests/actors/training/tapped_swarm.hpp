#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/training/coordinator.hpp"
#include "tests/actors/training/stage_life.hpp"
#include "tests/actors/training/virtual_world.hpp"

namespace swarm::testing {

/// A request on its way to a worker.
struct tapped_call {
  std::string kind;  ///< as in schemas/: "Gather", "Commit", ...
  uint64_t worker = 0;
  uint64_t term = 0;
  int64_t step = 0;
  uint32_t round = 0;
};

enum class fate : uint8_t {
  pass,
  lose,        ///< never arrives
  lose_answer  ///< arrives, and is answered in vain
};

/// Production workers, trainer and coordinators, with somebody on the line to every worker who
/// decides what becomes of each request. Workers of stage s are peers 2s+1 and 2s+2 (with more of
/// them accordingly), the trainer is 100, the candidates are 1000 and up. Nothing is random.
class tapped_swarm {
 public:
  explicit tapped_swarm(int32_t stages, int64_t microbatches = 4, bool trainer = true,
                        uint64_t workers_per_stage = 2);
  ~tapped_swarm();

  tapped_swarm(const tapped_swarm&) = delete;
  tapped_swarm& operator=(const tapped_swarm&) = delete;

  /// In the others' sight or, when cut off, with a directory that knows the workers and the trainer
  /// but no other candidate.
  training::coordinator_actor add_candidate(uint64_t peer, bool first, bool cut_off = false);
  void kill_candidate(uint64_t peer);
  void kill_worker(uint64_t peer);
  /// Another worker of this stage, who has nothing and fetches its state.
  void add_joiner(uint64_t peer, stage_id stage);
  /// From now on: the worker dies when the first request of this kind for step 0 is on its way to
  /// it, and that one is lost, as are its repeats.
  void kill_worker_at(const std::string& kind, uint64_t peer);
  bool lives(uint64_t peer) const { return static_cast<bool>(workers.at(peer).worker); }

  /// Asks this candidate to advance; its answer comes to `reached`.
  void advance(uint64_t peer, int64_t version);

  /// As if the actor were a member: what the tests themselves play.
  void announce(const wire::member& m);
  void run() { world.run(); }
  void pass(std::chrono::milliseconds time) { world.pass(time); }

  /// Whether every worker that lives has the weights of so many steps.
  bool weights_are(int64_t steps) const;
  /// Requests of this kind that were sent to this worker, or to all (0).
  int sent(const std::string& kind, uint64_t worker = 0) const;

  virtual_world world;
  std::function<fate(const tapped_call&)> tap;
  bool beats_arrive = true;  ///< at the workers
  std::vector<tapped_call> calls;
  std::map<std::string, int> events;
  std::map<uint64_t, int64_t> reached;  ///< by candidate
  std::map<uint64_t, stage_life> workers;

 private:
  wire::directory_actor spawn_proxy();
  caf::actor spawn_line(uint64_t peer, const caf::actor& worker);
  fate decide(tapped_call call);

  stage_life_options options_;
  wire::directory_actor directory_;
  wire::directory_actor hidden_;  ///< of those who are cut off
  caf::actor telemetry_;
  std::map<uint64_t, caf::actor> lines_;
  std::map<uint64_t, training::coordinator_actor> candidates_;
};

}  // namespace swarm::testing
