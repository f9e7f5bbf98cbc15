#pragma once

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
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

/// What becomes of one request.
template <class Reply>
struct reply_slot {
  std::optional<Reply> value;
  caf::error error;
  bool failed = false;

  bool answered() const { return value || failed; }
};

/// Asks in the name of nobody, and runs what is runnable.
template <class Reply, class Handle, class... Request>
std::shared_ptr<reply_slot<Reply>> ask(virtual_world& world, const Handle& whom,
                                       const Request&... request) {
  auto slot = std::make_shared<reply_slot<Reply>>();
  world.own(world.system().spawn([=](caf::event_based_actor* self) {
    self->request(whom, caf::infinite, request...)
        .then([slot](const Reply& reply) { slot->value = reply; },
              [slot](const caf::error& error) {
                slot->error = error;
                slot->failed = true;
              });
  }));
  world.run();
  return slot;
}

/// Who is there, as a directory tells it. Must outlive the world's last run, or be cleared: it
/// holds the members.
struct roster_watch {
  std::map<worker_id, wire::member> members;

  void follow(virtual_world& world, const wire::directory_actor& directory);
  /// The latest life of this peer's worker.
  std::optional<wire::member> worker(uint64_t peer) const;
};

/// A member record of a stage worker that serves.
wire::member serving(worker_id id, stage_id stage, const caf::actor& handle);

worker_id life(uint64_t peer, uint32_t incarnation = 1);

}  // namespace swarm::testing
