#pragma once

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <chrono>
#include <cstdint>
#include <random>
#include <vector>

#include "actors/wire/roster.hpp"

namespace swarm::testing {

/// An actor system under virtual time, whose next job a seed may choose. Stops every actor that
/// was handed to `own` when it goes.
class virtual_world {
 public:
  explicit virtual_world(uint64_t seed = 0);
  ~virtual_world();

  caf::actor_system& system() { return system_; }
  std::mt19937_64& random() { return random_; }
  /// In [0, n).
  uint64_t below(uint64_t n) { return random_() % n; }

  /// Stopped at the end.
  template <class Handle>
  Handle own(Handle handle) {
    owned_.push_back(caf::actor_cast<caf::actor_addr>(handle));
    return handle;
  }

  /// Runs what is runnable, in order, without time passing.
  void run() { scheduler_.run(); }
  /// In steps of 10 ms.
  void pass(std::chrono::milliseconds time);
  /// One job that the seed picks. With nothing to run, time jumps to the next timer. False: there
  /// is none.
  bool step();
  /// Runs what this actor can do now.
  void drain(const caf::actor& who);
  /// Since the beginning.
  std::chrono::milliseconds elapsed();
  /// Without running anything.
  void jump(std::chrono::milliseconds time) { scheduler_.advance_time(time); }

 private:
  struct config : caf::actor_system_config {
    config();
  };

  std::mt19937_64 random_;
  config config_;
  caf::actor_system system_;
  caf::scheduler::test_coordinator& scheduler_;
  caf::actor_clock::time_point start_;
  std::vector<caf::actor_addr> owned_;
};

/// A member record of a stage worker that serves.
wire::member serving(worker_id id, stage_id stage, const caf::actor& handle);

worker_id life(uint64_t peer, uint32_t incarnation = 1);

}  // namespace swarm::testing
