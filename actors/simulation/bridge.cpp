#include "actors/simulation/bridge.hpp"

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <cmath>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "actors/actor_body.hpp"
#include "actors/faults/link.hpp"
#include "actors/simulation/silence_watch.hpp"

namespace swarm::simulation {

/// One bridge's own members, shared by all who are told. Never leaves the process.
struct gossip {
  host_id from;
  uint32_t life = 0;
  uint64_t sequence = 0;
  uint64_t version = 0;
  caf::actor bridge;
  std::shared_ptr<const std::vector<wire::member>> members;
};

/// The network's word that a process is gone.
struct hang_up {
  host_id which;
  uint32_t life = 0;
};

/// The connection to a host broke because it was silent, or is there again.
struct link_news {
  host_id which;
  bool broken = false;
};

}  // namespace swarm::simulation

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(swarm::simulation::gossip)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(swarm::simulation::hang_up)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(swarm::simulation::link_news)

namespace swarm::simulation {

using look_atom = caf::atom_constant<caf::atom("look")>;

struct bridges::core {
  struct address {
    uint32_t life;
    caf::actor bridge;
  };

  core(world& w, virtual_network& n, const contact_options& o)
      : where(w), net(n), options(o), silences(o.silence, o.redial) {}

  world& where;
  virtual_network& net;
  contact_options options;
  bool down = false;
  std::map<host_id, address> addresses;
  silence_watch silences;
  caf::actor watch;  ///< of silences; null where contacts are refreshed
  uint64_t deaths = 0;

  bool has_heartbeats() const { return options.silence.count() > 0; }
  silence_watch::path_test paths() {
    return [this](host_id a, host_id b) { return net.connected(a, b); };
  }
  template <class Notice>
  void tell(const caf::actor& whom, moment after, const Notice& notice) {
    auto& clock = where.system().clock();
    clock.schedule_message(clock.now() + after, caf::actor_cast<caf::strong_actor_ptr>(whom),
                           caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, notice));
  }

  void hear_of_death(host_id dead);
  bool dies_silently();
  void freeze(host_id which, bool frozen);
  void paths_changed();
  void link_broke(host_id a, host_id b);
  void tell_both(const silence_watch::link& ends, bool broken);
  void look_after(moment delay);
  void look();
};

bool bridges::core::dies_silently() {
  // Evenly, and without taking a number from the run's.
  const auto before = static_cast<double>(deaths++) * options.silent_deaths;
  return std::floor(before + options.silent_deaths) > std::floor(before);
}

void bridges::core::hear_of_death(host_id dead) {
  const auto found = addresses.find(dead);
  if (down || found == addresses.end()) return;
  const hang_up notice{dead, found->second.life};
  addresses.erase(found);
  silences.end(dead);
  const bool silently = has_heartbeats() && dies_silently();
  for (const auto& [host, to] : addresses) {
    if (!silently && net.connected(dead, host)) {
      tell(to.bridge, net.model().latency(dead, host), notice);
    } else if (has_heartbeats()) {
      tell(to.bridge, options.silence, notice);
    }
  }
}

void bridges::core::freeze(host_id which, bool frozen) {
  if (down || !has_heartbeats()) return;
  const auto now = where.now();
  frozen ? silences.freeze(which, now) : silences.thaw(which, now);
  look_after(frozen ? silences.silence() : silences.redial());
}

void bridges::core::paths_changed() {
  if (down || !has_heartbeats()) return;
  silences.paths_changed(paths(), where.now());
  if (!silences.waits()) return;
  look_after(silences.silence());
  look_after(silences.redial());
}

void bridges::core::link_broke(host_id a, host_id b) {
  if (down || !has_heartbeats()) return;
  silences.break_link(a, b, where.now());
  tell_both({a, b}, true);
  look_after(silences.redial());
}

void bridges::core::tell_both(const silence_watch::link& ends, bool broken) {
  const auto first = addresses.find(ends.first);
  const auto second = addresses.find(ends.second);
  if (first == addresses.end() || second == addresses.end()) return;
  caf::anon_send(first->second.bridge, link_news{ends.second, broken});
  caf::anon_send(second->second.bridge, link_news{ends.first, broken});
}

void bridges::core::look_after(moment delay) {
  if (silences.waits()) tell(watch, delay, look_atom::value);
}

void bridges::core::look() {
  const auto changes = silences.look(where.now());
  for (const auto& ends : changes.broken)
    tell_both(ends, true);
  for (const auto& ends : changes.repaired)
    tell_both(ends, false);
}

namespace {

using tick_atom = caf::atom_constant<caf::atom("tick")>;
using tell_atom = caf::atom_constant<caf::atom("tell")>;
using core_ptr = std::shared_ptr<bridges::core>;

/// Changes of a start-up or a stop are told together.
constexpr std::chrono::milliseconds tell_delay{5};

class bridge final : public actor_body<caf::event_based_actor> {
 public:
  static constexpr const char* name = "bridge";

  bridge(pointer self, core_ptr core, host_id here, wire::directory_actor directory)
      : actor_body(self),
        core_(std::move(core)),
        here_(here),
        life_(core_->net.model().closed(here)),
        directory_(std::move(directory)),
        contacts_(core_->options) {}

  caf::behavior make_behavior() {
    send(directory_, wire::subscribe_atom::value, caf::actor{self()});
    for (const auto& [host, address] : core_->addresses)
      if (host != here_) meet(host, address.life, address.bridge);
    change();
    // Spread, or all would speak at once.
    if (!core_->has_heartbeats())
      delayed_send(self(), core_->options.refresh * (here_.value() * 7 % 16 + 1) / 16,
                   tick_atom::value);
    return {[this](const wire::roster_update& update) { on_roster(update); },
            [this](const gossip& news) { on_gossip(news); },
            [this](const hang_up& notice) { on_hang_up(notice); },
            [this](const link_news& news) { on_link_news(news); },
            [this](tell_atom) { tell_everybody(); },
            [this](tick_atom) { on_tick(); }};
  }

 private:
  /// The bridge of another host, and what we announced of that host.
  struct peer {
    uint32_t life = 0;
    caf::actor bridge;
    bool told = false;
    std::map<caf::actor_id, caf::actor> links;  ///< by the actor they lead to
    std::set<worker_id> announced;
  };

  moment now() { return core_->where.now(); }

  // -- own members ----------------------------------------------------------------------------

  void on_roster(const wire::roster_update& update) {
    bool changed = false;
    for (const auto& id : update.gone)
      changed |= mine_.erase(id) != 0;
    for (const auto& m : update.changed) {
      // The directory repeats what we announced ourselves.
      if (links_made_.count(m.handle.id()) != 0) continue;
      mine_[m.id] = m;
      changed = true;
    }
    if (changed) change();
  }

  void change() {
    ++version_;
    told_.reset();
    if (!std::exchange(telling_, true)) delayed_send(self(), tell_delay, tell_atom::value);
  }

  void tell_everybody() {
    telling_ = false;
    for (auto& [host, other] : peers_)
      tell(other);
  }

  void tell(peer& other) {
    if (!told_) {
      auto members = std::make_shared<std::vector<wire::member>>();
      for (const auto& [id, m] : mine_)
        members->push_back(m);
      told_ = std::move(members);
    }
    other.told = true;
    send(other.bridge, gossip{here_, life_, ++sequence_, version_, caf::actor{self()}, told_});
  }

  // -- others ---------------------------------------------------------------------------------

  peer& meet(host_id host, uint32_t life, const caf::actor& bridge) {
    auto& other = peers_[host];
    forget(other);
    other.life = life;
    other.bridge = core_->net.connect(here_, host, bridge);
    other.told = false;
    return other;
  }

  void on_gossip(const gossip& news) {
    switch (contacts_.hear(news.from, news.life, news.sequence, news.version, now())) {
      case contact_table::news::stale:
      case contact_table::news::refresh:
        return;
      case contact_table::news::reborn: {
        const auto known = peers_.find(news.from);
        if (known == peers_.end() || known->second.life != news.life)
          meet(news.from, news.life, news.bridge);
        break;
      }
      case contact_table::news::changed:
        break;
    }
    auto& other = peers_.at(news.from);
    take(news.from, other, *news.members);
    if (!other.told) tell(other);
  }

  void take(host_id from, peer& other, const std::vector<wire::member>& members) {
    std::map<caf::actor_id, caf::actor> links;
    std::set<worker_id> announced;
    const auto link = [&](const caf::actor& target) {
      if (!target) return target;
      auto& found = links[target.id()];
      const auto known = other.links.find(target.id());
      if (!found && known != other.links.end()) found = known->second;
      if (!found) {
        found = core_->net.connect(here_, from, target);
        links_made_.insert(found.id());
      }
      return found;
    };
    std::vector<wire::member> present;
    for (auto m : members) {
      m.handle = link(m.handle);
      m.averager = link(m.averager);
      m.replicator = link(m.replicator);
      announced.insert(m.id);
      present.push_back(std::move(m));
    }
    // What is gone goes first: a new life may have the id of the old one.
    for (const auto& id : other.announced)
      if (announced.count(id) == 0) send(directory_, wire::withdraw_atom::value, id);
    for (auto& m : present)
      send(directory_, wire::announce_atom::value, std::move(m));
    std::swap(other.links, links);
    other.announced = std::move(announced);
    for (const auto& [target, handle] : links)
      if (other.links.count(target) == 0) cut(handle);
  }

  void on_hang_up(const hang_up& notice) {
    contacts_.close(notice.which, notice.life);
    const auto found = peers_.find(notice.which);
    if (found == peers_.end() || found->second.life > notice.life) return;
    forget(found->second);
    faults::cut(found->second.bridge, caf::exit_reason::remote_link_unreachable);
    peers_.erase(found);
  }

  void on_link_news(const link_news& news) {
    auto found = peers_.find(news.which);
    if (news.broken) {
      contacts_.lose(news.which);
      if (found != peers_.end()) forget(found->second);
      return;
    }
    const auto address = core_->addresses.find(news.which);
    if (address == core_->addresses.end()) return;
    // Of another life: its own word comes first, or it has come.
    if (found == peers_.end()) {
      meet(news.which, address->second.life, address->second.bridge);
      found = peers_.find(news.which);
    }
    tell(found->second);
  }

  /// Withdraws all members of a host. We go on telling it ours: it may hear us.
  void forget(peer& other) {
    for (const auto& id : std::exchange(other.announced, {}))
      send(directory_, wire::withdraw_atom::value, id);
    for (const auto& [target, handle] : std::exchange(other.links, {}))
      cut(handle);
  }

  static void cut(const caf::actor& handle) {
    faults::cut(handle, caf::exit_reason::remote_link_unreachable);
  }

  void on_tick() {
    const auto& model = core_->net.model();
    std::vector<hang_up> gone;
    for (auto& [host, other] : peers_) {
      // A connection to a dead process is refused as soon as the answer gets through.
      if (model.closed(host) != other.life && core_->net.connected(host, here_)) {
        gone.push_back({host, other.life});
      } else {
        tell(other);
      }
    }
    for (const auto& notice : gone)
      on_hang_up(notice);
    for (const auto& host : contacts_.expire(now()))
      if (const auto found = peers_.find(host); found != peers_.end()) forget(found->second);
    delayed_send(self(), contacts_.refresh(), tick_atom::value);
  }

  core_ptr core_;
  host_id here_;
  uint32_t life_;
  wire::directory_actor directory_;
  contact_table contacts_;
  std::map<worker_id, wire::member> mine_;
  std::shared_ptr<const std::vector<wire::member>> told_;  ///< null: changed since
  uint64_t version_ = 0;
  uint64_t sequence_ = 0;
  bool telling_ = false;
  std::map<host_id, peer> peers_;
  std::set<caf::actor_id> links_made_;
};

}  // namespace

bridges::bridges(world& w, virtual_network& net, const contact_options& options)
    : core_(std::make_shared<core>(w, net, options)) {
  w.on_kill([core = core_](host_id dead) { core->hear_of_death(dead); });
  if (!core_->has_heartbeats()) return;
  w.on_freeze([core = core_](host_id which, bool frozen) { core->freeze(which, frozen); });
  net.on_change([core = core_] { core->paths_changed(); });
  net.on_break([core = core_](host_id a, host_id b) { core->link_broke(a, b); });
  core_->watch = w.in_host(observer, [&] {
    return w.system().spawn(
        [core = std::weak_ptr<bridges::core>{core_}](caf::event_based_actor*) -> caf::behavior {
          return {[core](look_atom) {
            if (const auto held = core.lock()) held->look();
          }};
        });
  });
}

bridges::~bridges() {
  core_->down = true;
  core_->addresses.clear();
  core_->watch = caf::actor{};
}

caf::actor bridges::start(host_id where, const wire::directory_actor& directory) {
  auto& w = core_->where;
  auto actor =
      w.in_host(where, [&] { return w.system().spawn<embodied<bridge>>(core_, where, directory); });
  core_->addresses[where] = {core_->net.model().closed(where), actor};
  if (core_->has_heartbeats()) core_->silences.start(where, core_->paths());
  return actor;
}

}  // namespace swarm::simulation
