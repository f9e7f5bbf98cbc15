#include "actors/peer/network.hpp"

#include <caf/sec.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <cstdlib>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "actors/actor_body.hpp"
#include "actors/peer/clock_watch.hpp"
#include "actors/peer/peer_ids.hpp"
#include "actors/peer/relays.hpp"
#include "actors/peer/rival.hpp"
#include "actors/peer/roster_message.hpp"
#include "actors/peer/switchboard.hpp"
#include "actors/telemetry/event.hpp"

namespace swarm::peer {

using transport::link_id;

namespace {

/// Changes of a start-up or a stop are told together.
constexpr std::chrono::milliseconds tell_delay{5};

/// The endpoint and what its thread uses; goes when the actor ends.
struct line {
  std::unique_ptr<switchboard> events;
  std::unique_ptr<transport::endpoint> endpoint;
  std::mutex mutex;  ///< for those who count

  transport::counters counted() {
    const std::lock_guard<std::mutex> guard{mutex};
    return endpoint ? endpoint->counted() : transport::counters{};
  }
};

class network_body final : public actor_body<network_actor::base> {
 public:
  static constexpr const char* name = "network";

  network_body(pointer self, network_options options, std::shared_ptr<line> through,
               std::shared_ptr<gateway> handles)
      : actor_body(self),
        options_(std::move(options)),
        line_(std::move(through)),
        handles_(std::move(handles)),
        neighbours_(options_.neighbours),
        rivals_(options_.rival_patience) {}

  ~network_body() {
    handles_->close();
    std::unique_ptr<transport::endpoint> ended;
    {
      const std::lock_guard<std::mutex> guard{line_->mutex};
      ended = std::move(line_->endpoint);
    }
    // Joins its thread, which may be telling us something.
    line_->events->report_to_nobody();
    ended.reset();
  }

  behavior_type make_behavior() {
    line_->events->report_to(self());
    send(options_.directory, wire::subscribe_atom::value, caf::actor_cast<caf::actor>(ctrl()));
    send(self(), check_atom::value);
    return {[this](connect_atom, const std::string& address, uint64_t slot) {
              return on_connect(address, slot);
            },
            [this](connect_atom, peer_id who, uint64_t slot) -> caf::result<caf::actor> {
              if (const auto link = neighbours_.find(who)) return handle(*link, slot);
              return caf::make_error(caf::sec::cannot_connect_to_node, "not connected");
            },
            [this](probe_atom, const std::string& address) { return on_probe(address); },
            [this](meet_atom, peer_id who, const std::string& address) {
              neighbours_.learn(who, address, now());
            },
            [this](neighbours_atom) { return statuses(); },
            [this](const wire::roster_update& update) { on_own(update); },
            [this](const link_news& news) { on_news(news); },
            [this](check_atom) { on_check(); },
            [this](tell_atom) { tell_everybody(); }};
  }

 private:
  /// One link that counts, and what we announced of its far side.
  struct peer_link {
    peer_id peer;
    std::string announce;
    bool observer = false;
    int64_t clock_ahead_ms = 0;
    std::string greeting;  ///< as it came, to be handed on
    std::set<worker_id> announced;
    std::vector<wire::member> members;  ///< as announced here

    /// Two such cannot reach each other.
    bool only_dials() const { return announce.empty() && !observer; }
  };

  struct waiter {
    caf::typed_response_promise<caf::actor> promise;
    uint64_t slot;
  };

  void report(const char* what, peer_id who, const std::string& text) {
    if (!options_.telemetry) return;
    caf::anon_send(
        options_.telemetry,
        telemetry::event{what, {{"peer", static_cast<int64_t>(who.value())}, {"text", text}}});
  }

  // -- links ----------------------------------------------------------------------------------

  void on_news(const link_news& news) {
    switch (news.what) {
      case link_news::kind::up:
        return on_up(news);
      case link_news::kind::down:
        return on_down(news);
      case link_news::kind::roster:
        return on_roster(news.link, news.roster);
      case link_news::kind::superseded:
        return on_superseded(news.other);
    }
  }

  void on_up(const link_news& news) {
    const auto probe = probes_.find(news.link);
    if (probe != probes_.end()) {
      probe->second.deliver(news.who.peer);
      probes_.erase(probe);
      return line_->endpoint->close(news.link, "it was a probe");
    }
    end_dial(news.link);
    const auto outcome = neighbours_.up(news.link, news.who, now());
    if (outcome.over) close_surplus(*outcome.over, news);
    if (!outcome.current) {
      // Whoever waited for this dial has the link that is kept.
      if (const auto kept = neighbours_.find(news.who.peer)) answer_waiters(news.link, *kept);
      return;
    }
    links_[news.link] = {news.who.peer, news.who.announce, news.who.observer, 0, {}, {}, {}};
    links_[news.link].greeting = news.greeting;
    report("peer_up", news.who.peer,
           news.agent + (news.who.announce.empty() ? "" : " at " + news.who.announce));
    compare_clocks(news);
    // In a reproducible run it only asks for the description yet.
    const auto& mine = options_.self.kernels;
    const bool differ = !mine.empty() && !news.kernels.empty() && news.kernels != mine;
    if (differ && !options_.same_kernels)
      report("kernels_differ", news.who.peer, "'" + news.kernels + "', here '" + mine + "'");
    tell(news.link);
    settle_relays();
    tell_soon();
    answer_waiters(news.link, news.link);
    remember();
  }

  void on_down(const link_news& news) {
    const auto probe = probes_.find(news.link);
    if (probe != probes_.end()) {
      probe->second.deliver(caf::make_error(caf::sec::cannot_connect_to_node, news.sentence));
      probes_.erase(probe);
      return;
    }
    end_dial(news.link);
    drop(news.link);
    const auto peer = neighbours_.down(news.link, now());
    settle_relays();
    if (peer) {
      report("peer_down", *peer, news.sentence);
      tell_soon();
    } else if (surplus_.erase(news.link) == 0) {
      report_failed_dial(news);
    }
    const auto found = waiting_.find(news.link);
    if (found == waiting_.end()) return;
    waiters_ -= found->second.size();
    for (auto& w : found->second)
      w.promise.deliver(caf::make_error(caf::sec::cannot_connect_to_node, news.sentence));
    waiting_.erase(found);
  }

  /// One of two links between the same peers. An earlier life is shown the later one's greeting.
  void close_surplus(const neighbourhood::surplus& over, const link_news& newcomer) {
    const auto& later = over.link == newcomer.link
                            ? links_[*neighbours_.find(newcomer.who.peer)].greeting
                            : newcomer.greeting;
    if (over.superseded) {
      transport::heading head;
      head.target = network_slot;
      head.type = capnp::typeId<schemas::Greeting>();
      if (auto frame = greeting_frame(later))
        line_->endpoint->send(over.link, head, std::move(frame));
    }
    drop(over.link);
    surplus_.insert(over.link);
    line_->endpoint->close(over.link, over.superseded
                                          ? "a later process with the same token is connected"
                                          : "another link between the same two peers is kept");
  }

  void on_superseded(const rival& other) {
    const bool was_certain = rivals_.is_certain();
    if (!rivals_.told(other, now()) || was_certain) return;
    const auto why = token_in_use_sentence(options_.neighbours.self, other);
    report("token_in_use", options_.neighbours.self, why);
    for (const auto& [link, far] : links_)
      line_->endpoint->close(link, "its token is in use by a later process");
  }

  void compare_clocks(const link_news& news) {
    if (!news.clock_ahead_ms || news.who.observer) return;
    links_[news.link].clock_ahead_ms = *news.clock_ahead_ms;
    clocks_.heard(news.who.peer, *news.clock_ahead_ms, news.who.announce);
    // Whoever has a wrong clock is one sentence, not one for each peer that finds out.
    if (std::abs(*news.clock_ahead_ms) <= clock_difference_ms_max) return;
    const bool others = clocks_.is_others();
    if (others ? !clock_told_.insert(news.who.peer).second : std::exchange(own_clock_told_, true))
      return;
    if (const auto why = clocks_.complaint(options_.clock()))
      report("clock_differs", others ? news.who.peer : options_.neighbours.self, *why);
  }

  /// What was announced of its far side goes.
  void drop(link_id which) {
    const auto found = links_.find(which);
    if (found == links_.end()) return;
    for (const auto& id : found->second.announced)
      send(options_.directory, wire::withdraw_atom::value, id);
    clocks_.forget(found->second.peer);
    links_.erase(found);
    relays_.forget(which);
  }

  void report_failed_dial(const link_news& news) {
    const bool itself = news.sentence.find(itself_sentence) != std::string::npos;
    if (!options_.telemetry || itself) return;
    caf::anon_send(options_.telemetry,
                   telemetry::event{"dial_failed",
                                    {{"text", news.sentence},
                                     {"final", static_cast<int64_t>(news.final ? 1 : 0)}}});
  }

  void on_check() {
    delayed_send(self(), options_.check_interval, check_atom::value);
    if (rivals_.is_certain()) return;
    for (const auto& order : neighbours_.due(now()))
      dial(order);
  }

  std::optional<link_id> dial(const neighbourhood::order& order) {
    if (order.address.empty()) return std::nullopt;
    const auto link = line_->endpoint->dial(order.address);
    neighbours_.dialling(order, link);
    dials_[order.address] = link;
    return link;
  }

  void end_dial(link_id link) {
    for (auto it = dials_.begin(); it != dials_.end();)
      it = it->second == link ? dials_.erase(it) : std::next(it);
  }

  void remember() {
    if (!options_.remember) return;
    auto addresses = neighbours_.addresses();
    if (addresses == remembered_) return;
    options_.remember(addresses);
    remembered_ = std::move(addresses);
  }

  // -- whoever asks for a connection ----------------------------------------------------------

  caf::result<caf::actor> on_connect(const std::string& address, uint64_t slot) {
    if (const auto link = neighbours_.find(address)) return handle(*link, slot);
    auto promise = make_response_promise<caf::actor>();
    if (waiters_ >= connect_requests_max)
      return caf::make_error(caf::sec::cannot_connect_to_node, "too many connects under way");
    const auto known = dials_.find(address);
    const auto link = known != dials_.end() ? std::optional{known->second} : dial({address, {}});
    if (!link) return caf::make_error(caf::sec::cannot_connect_to_node, "no address");
    waiting_[*link].push_back({promise, slot});
    ++waiters_;
    return caf::delegated<caf::actor>{};
  }

  caf::result<peer_id> on_probe(const std::string& address) {
    if (probes_.size() >= probes_max || address.empty())
      return caf::make_error(caf::sec::cannot_connect_to_node, "too many probes under way");
    auto promise = make_response_promise<peer_id>();
    probes_.emplace(line_->endpoint->dial(address), promise);
    return caf::delegated<peer_id>{};
  }

  void answer_waiters(link_id dialled, link_id kept) {
    const auto found = waiting_.find(dialled);
    if (found == waiting_.end()) return;
    for (auto& w : found->second) {
      --waiters_;
      auto result = handle(kept, w.slot);
      w.promise.deliver(std::move(result));
    }
    waiting_.erase(found);
  }

  caf::actor handle(link_id link, uint64_t slot) { return handles_->remote(link, slot); }

  // -- members --------------------------------------------------------------------------------

  void on_own(const wire::roster_update& update) {
    bool changed = false;
    for (const auto& id : update.gone)
      changed |= own_.erase(id) != 0;
    for (const auto& m : update.changed) {
      // The directory repeats what we announced ourselves.
      if (gateway::is_remote(m.handle)) continue;
      if (own_.count(m.id) == 0 && own_.size() >= process_members_max) continue;
      own_[m.id] = m;
      changed = true;
    }
    if (changed) tell_soon();
  }

  void tell_soon() {
    if (std::exchange(telling_, true)) return;
    delayed_send(self(), tell_delay, tell_atom::value);
  }

  void tell_everybody() {
    telling_ = false;
    for (const auto& [link, far] : links_)
      tell(link);
  }

  void tell(link_id to) { line_->endpoint->send(to, roster_heading(), roster_frame(to)); }

  wire::frame_ptr roster_frame(link_id to) {
    told_roster told;
    const auto add = [&](std::vector<told_member>& list, const wire::member& m) {
      list.push_back({m, handles_->expose(to, m.handle), handles_->expose(to, m.averager),
                      handles_->expose(to, m.replicator)});
    };
    for (const auto& [id, m] : own_)
      add(told.members, m);
    told.neighbours = neighbours_.neighbours();
    if (!links_.at(to).only_dials()) return write_roster(told).bytes();
    for (const auto& [link, far] : links_) {
      if (link == to || !far.only_dials()) continue;
      for (const auto& m : far.members)
        if (told.relayed.size() < relayed_members_max) add(told.relayed, m);
    }
    return write_roster(told).bytes();
  }

  wire::member with_handles(link_id from, const told_member& m) {
    auto known = m.what;
    known.handle = handle(from, m.slot);
    const auto optional = [&](uint64_t slot) {
      return slot != 0 ? handle(from, slot) : caf::actor{};
    };
    known.averager = optional(m.averager_slot);
    known.replicator = optional(m.replicator_slot);
    return known;
  }

  void hear_relayed(link_id from, const std::vector<told_member>& told) {
    std::vector<wire::member> members;
    for (const auto& m : told) {
      auto known = with_handles(from, m);
      if (known.handle) members.push_back(std::move(known));
    }
    relays_.hear(from, std::move(members));
    settle_relays();
  }

  void settle_relays() {
    auto changed = relays_.settle([this](peer_id who) {
      return who == options_.neighbours.self || neighbours_.find(who).has_value();
    });
    for (const auto& id : changed.withdraw)
      send(options_.directory, wire::withdraw_atom::value, id);
    for (auto& m : changed.announce)
      send(options_.directory, wire::announce_atom::value, std::move(m));
  }

  void on_roster(link_id from, const wire::roster& message) {
    const auto found = links_.find(from);
    if (found == links_.end()) return;
    if (message.fault()) return report("bad_roster", found->second.peer, "damaged");
    const auto told = parse_roster(message);
    std::set<worker_id> announced;
    std::vector<wire::member> present;
    for (const auto& m : told.members) {
      // Nobody speaks for another; a peer's coordinator goes by another id than its trainer.
      if (process_of(m.what.id.peer) != found->second.peer) continue;
      auto known = with_handles(from, m);
      if (!known.handle) continue;
      announced.insert(known.id);
      present.push_back(std::move(known));
    }
    // What is gone goes first: a new life may have the id of the old one.
    for (const auto& id : found->second.announced)
      if (announced.count(id) == 0) send(options_.directory, wire::withdraw_atom::value, id);
    for (const auto& m : present)
      send(options_.directory, wire::announce_atom::value, m);
    found->second.announced = std::move(announced);
    found->second.members = std::move(present);
    if (found->second.only_dials()) tell_soon();
    hear_relayed(from, told.relayed);
    for (const auto& n : told.neighbours)
      neighbours_.learn(n.peer, n.announce, now());
  }

  std::vector<neighbour_status> statuses() {
    std::vector<neighbour_status> result;
    for (const auto& [link, far] : links_)
      if (!far.observer)
        result.push_back({far.peer, far.announce, line_->endpoint->counted(link).round_trip_us,
                          far.clock_ahead_ms});
    return result;
  }

  network_options options_;
  std::shared_ptr<line> line_;
  std::shared_ptr<gateway> handles_;
  neighbourhood neighbours_;
  std::map<worker_id, wire::member> own_;
  std::map<link_id, peer_link> links_;
  relays relays_;
  rival_watch rivals_;
  clock_watch clocks_;
  std::set<peer_id> clock_told_;  ///< whose clock was said to be wrong
  bool own_clock_told_ = false;
  std::map<std::string, link_id> dials_;
  std::set<link_id> surplus_;  ///< closed here, their end is no news
  std::map<link_id, std::vector<waiter>> waiting_;
  size_t waiters_ = 0;
  std::map<link_id, caf::typed_response_promise<peer_id>> probes_;
  bool telling_ = false;
  std::vector<std::string> remembered_;
};

}  // namespace

std::variant<network, std::string> open_network(caf::actor_system& system,
                                                network_options options) {
  network result;
  result.handles = std::make_shared<gateway>(system);
  auto through = std::make_shared<line>();
  auto self = options.self;
  // Who listens is where it says, by default where it listens.
  auto door = std::make_shared<admission>(self, options.description_hash, options.same_kernels);
  through->events = std::make_unique<switchboard>(result.handles, door, options.clock);
  // Whoever comes before the address is known must not take us for one that only dials.
  const auto& bind = options.endpoint.bind;
  const bool any_port = bind.size() > 2 && bind.compare(bind.size() - 2, 2, ":0") == 0;
  if (self.announce.empty() && !any_port) door->announce(bind);
  // Its clock and what it has learned of the run are of the moment when it is sent.
  const auto introduce = [door, clock = options.clock] {
    return door->greeting(clock ? clock() : 0);
  };
  options.endpoint.greeting = introduce();
  auto opened = transport::endpoint::open(options.endpoint, *through->events);
  if (auto* sentence = std::get_if<std::string>(&opened)) return std::move(*sentence);
  through->endpoint = std::move(std::get<std::unique_ptr<transport::endpoint>>(opened));
  result.address = through->endpoint->address();
  if (self.announce.empty()) self.announce = result.address;
  door->announce(self.announce);
  through->endpoint->greet_with(introduce);
  result.handles->open(*through->endpoint);
  options.neighbours.self = self.id_of(self.key);
  options.neighbours.announce = self.announce;
  options.neighbours.observer = self.observer;
  options.neighbours.seed = self.life ^ options.neighbours.self.value();
  result.door = std::move(door);
  result.counted = [through] { return through->counted(); };
  result.actor =
      system.spawn<embodied<network_body>>(std::move(options), std::move(through), result.handles);
  return result;
}

}  // namespace swarm::peer
