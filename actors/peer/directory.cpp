#include "actors/peer/directory.hpp"

#include <caf/typed_event_based_actor.hpp>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "actors/actor_body.hpp"

namespace swarm::peer {

namespace {

class directory final : public actor_body<wire::directory_actor::base> {
 public:
  static constexpr const char* name = "directory";

  explicit directory(pointer self) : actor_body(self) {}

  behavior_type make_behavior() {
    set_down_handler([this](const caf::down_msg& m) { on_down(m.source); });
    return {[this](wire::announce_atom, const wire::member& m) { on_announce(m); },
            [this](wire::withdraw_atom, worker_id id) { on_withdraw(id); },
            [this](wire::subscribe_atom, const caf::actor& who) { on_subscribe(who); }};
  }

 private:
  /// Each monitor is kept until the end of whom it watches, so one must do.
  void watch(const caf::actor& who) {
    if (watched_.insert(who.address()).second) monitor(who);
  }

  void on_announce(const wire::member& m) {
    if (!m.handle || (members_.size() >= members_max && members_.count(m.id) == 0)) return;
    watch(m.handle);
    members_[m.id] = m;
    publish({{m}, {}});
  }

  void on_withdraw(worker_id id) {
    if (members_.erase(id) != 0) publish({{}, {id}});
  }

  void on_subscribe(const caf::actor& who) {
    if (!who) return;
    watch(who);
    const auto listener = caf::actor_cast<wire::roster_listener>(who);
    subscribers_[who.address()] = listener;
    wire::roster_update all;
    for (const auto& [id, m] : members_)
      all.changed.push_back(m);
    send(listener, std::move(all));
  }

  void on_down(const caf::actor_addr& who) {
    watched_.erase(who);
    subscribers_.erase(who);
    wire::roster_update update;
    for (auto it = members_.begin(); it != members_.end();) {
      if (it->second.handle.address() != who) {
        ++it;
        continue;
      }
      update.gone.push_back(it->first);
      it = members_.erase(it);
    }
    if (!update.gone.empty()) publish(update);
  }

  void publish(const wire::roster_update& update) {
    for (const auto& [address, who] : subscribers_)
      send(who, update);
  }

  std::set<caf::actor_addr> watched_;
  std::map<worker_id, wire::member> members_;
  std::map<caf::actor_addr, wire::roster_listener> subscribers_;
};

}  // namespace

wire::directory_actor spawn_directory(caf::actor_system& system) {
  return system.spawn<embodied<directory>>();
}

}  // namespace swarm::peer
