#pragma once

#include <caf/actor.hpp>
#include <functional>
#include <memory>

#include "actors/faults/subject.hpp"
#include "actors/simulation/bridge.hpp"
#include "actors/simulation/device.hpp"
#include "actors/simulation/virtual_network.hpp"
#include "actors/simulation/world.hpp"
#include "actors/wire/roster.hpp"

namespace swarm::simulation {

/// Spawns a peer's root in its host; `with_state`: it may use what an earlier life left behind.
using peer_factory =
    std::function<caf::actor(world&, const wire::directory_actor&, bool with_state)>;

enum class host_state : uint8_t {
  down,  ///< never started, or killed
  up,
  frozen,
  left  ///< asked to go; says nothing any more once its actors have ended
};
const char* to_string(host_state state);

/// One simulated machine and the one peer that runs on it: directory, bridge, and the tree of the
/// factory's root. To be driven from outside the actors, between two steps of the world.
class host final : public faults::subject {
 public:
  /// `how` is optional: what slow() slows down. The factory puts it in front of compute actors.
  host(world& w, virtual_network& net, bridges& links, peer_factory make_peer,
       std::shared_ptr<device> how = nullptr, const host_conditions& line = {});
  host(const host&) = delete;
  host& operator=(const host&) = delete;

  host_id id() const { return id_; }
  host_state state() const { return state_; }
  bool running() const { return state_ == host_state::up; }
  /// Of the life at hand; null when down.
  const wire::directory_actor& directory() const { return directory_; }
  const caf::actor& root() const { return root_; }
  /// Lives so far.
  uint32_t lives() const { return lives_; }

  // What does not fit the state is ignored: only who is down starts, only who is up freezes.
  void start(bool with_state = false);
  /// SIGKILL: no goodbye, frozen or not.
  void kill() override;
  /// Kill, if need be, and start.
  void restart(bool with_state) override;
  void freeze() override;
  void thaw() override;
  /// Its device takes so many times as long as normal; 1 is normal again.
  void slow(double factor) override;
  /// Asks the root to end in good order; the rest of the host follows with the next kill or start.
  void leave() override;

 private:
  world& world_;
  bridges& links_;
  peer_factory make_peer_;
  std::shared_ptr<device> device_;
  host_id id_;
  host_state state_ = host_state::down;
  uint32_t lives_ = 0;
  wire::directory_actor directory_;
  caf::actor root_;
};

}  // namespace swarm::simulation
