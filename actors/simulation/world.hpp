#pragma once

#include <caf/actor_addr.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "actors/random.hpp"
#include "actors/simulation/event_hash.hpp"
#include "actors/simulation/host_id.hpp"

namespace swarm::simulation {

/// Where a run stops when nothing else stops it.
struct run_limit {
  uint64_t messages = std::numeric_limits<uint64_t>::max();  ///< from now on
  moment time = moment::max();                               ///< of the world
};

/// An actor system on one thread in virtual time. A seed picks the next runnable actor; when
/// nothing is runnable, time jumps to the next timer. The same seed and the same calls give the
/// same run, whatever the build.
///
/// Every actor lives on a host: the host whose job spawned it, or the one of `in_host`. What no
/// host spawned belongs to the observer.
class world {
 public:
  using message_types = std::function<void(caf::actor_system_config&)>;

  /// `types` registers the message types of the actors that will live here.
  explicit world(uint64_t seed, const message_types& types = {});
  /// Kills everybody, so that the actor system can end.
  ~world();
  world(const world&) = delete;
  world& operator=(const world&) = delete;

  caf::actor_system& system() { return system_; }
  splitmix64& random() { return random_; }
  moment now();

  // -- hosts ----------------------------------------------------------------------------------

  host_id add_host();
  size_t hosts() const { return hosts_.size(); }

  /// What `f` spawns lives on `where`.
  template <class F>
  auto in_host(host_id where, F&& f) {
    const residence guard{*this, where};
    return f();
  }
  /// Of an actor, a link, anything with an actor id.
  host_id host_of(caf::actor_id id) const;
  template <class Handle>
  host_id host_of(const Handle& handle) const {
    return host_of(handle->id());
  }

  /// SIGSTOP: the host's actors do not run, and their messages and timers pile up.
  void freeze(host_id which);
  void thaw(host_id which);
  bool frozen(host_id which) const { return state_of(which).frozen; }

  /// SIGKILL, frozen or not: all of the host's actors end without running anything they were sent
  /// before. `on_kill` listeners hear of it first, so that what the dying actors still say is
  /// heard by nobody. The host is then empty and may be used again. Not from inside an actor.
  void kill(host_id which);
  void on_kill(std::function<void(host_id)> listener);
  /// Hears of hosts that were frozen (true) or thawed; not of what is or was so already.
  void on_freeze(std::function<void(host_id, bool)> listener);

  // -- running --------------------------------------------------------------------------------

  /// One message, or with nothing runnable the next timer. False: there is neither.
  bool step();
  /// Everything up to and including this time, at which the clock then stands.
  void run_until(moment time);
  void run_for(moment time) { run_until(now() + time); }
  /// While `goes_on()`; false: a limit was reached or nothing is left to do.
  template <class Predicate>
  bool run_while(Predicate&& goes_on, const run_limit& limit = {}) {
    const auto last = delivered_ > std::numeric_limits<uint64_t>::max() - limit.messages
                          ? std::numeric_limits<uint64_t>::max()
                          : delivered_ + limit.messages;
    while (goes_on())
      if (delivered_ >= last || now() > limit.time || !step()) return false;
    return true;
  }
  /// All that can be done without time passing.
  void settle();

  /// Actors that have not ended.
  size_t actors_alive(host_id which) const;

  /// Messages that actors have handled.
  uint64_t delivered() const { return delivered_; }
  /// The longest mailbox that an actor was found with when its turn came, and its name.
  struct crowd {
    size_t messages = 0;
    std::string actor;
  };
  const crowd& longest_mailbox() const { return longest_mailbox_; }
  /// Of all jobs, and of what others `note`.
  uint64_t hash() const { return hash_.value(); }
  /// Enters a decision that was made outside the scheduler into the hash.
  void note(uint64_t what, uint64_t detail) { hash_.add(what, detail, delivered_); }

 private:
  struct config : caf::actor_system_config {
    explicit config(const message_types& types);
  };

  struct host_state {
    bool frozen = false;
    bool dying = false;
    std::vector<caf::resumable*> parked;      ///< runnable, but frozen
    std::vector<caf::weak_actor_ptr> actors;  ///< that have run
  };

  class residence {
   public:
    residence(world& w, host_id where);
    ~residence();
    residence(const residence&) = delete;
    residence& operator=(const residence&) = delete;

   private:
    world& world_;
    host_id before_;
  };

  class runner final : public caf::execution_unit {
   public:
    runner(caf::actor_system& system, std::deque<caf::resumable*>& jobs)
        : caf::execution_unit(&system), jobs_(jobs) {}
    void exec_later(caf::resumable* job) override { jobs_.push_back(job); }

   private:
    std::deque<caf::resumable*>& jobs_;
  };

  host_state& state_of(host_id which);
  const host_state& state_of(host_id which) const;
  /// Actors spawned since the last call live on the current host.
  void settle_newcomers();
  void meet(caf::scheduled_actor& actor, caf::actor_id id, host_id where);
  void run(caf::resumable* job, caf::scheduled_actor& actor, host_id where);
  bool run_one();
  void drain(host_id which);

  splitmix64 random_;
  config config_;
  caf::actor_system system_;
  caf::scheduler::test_coordinator& scheduler_;
  runner runner_;
  caf::actor_clock::time_point start_;
  std::vector<host_state> hosts_;
  std::vector<uint32_t> host_of_;  ///< by actor id
  std::vector<bool> met_;          ///< by actor id: has run
  host_id current_ = observer;
  std::vector<std::function<void(host_id)>> on_kill_;
  std::vector<std::function<void(host_id, bool)>> on_freeze_;
  uint64_t delivered_ = 0;
  crowd longest_mailbox_;
  event_hash hash_;
};

}  // namespace swarm::simulation
