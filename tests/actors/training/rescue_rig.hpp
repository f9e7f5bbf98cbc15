#pragma once

#include <algorithm>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "actors/peer/directory.hpp"
#include "actors/stage/errc.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/training/coordinator.hpp"
#include "actors/wire/ticket.hpp"
#include "tests/actors/training/virtual_world.hpp"

/// A coordinator whose workers only say where they stand and what they keep.
namespace swarm::testing {

/// The version at which the run stands.
inline constexpr int64_t here = 6;
inline constexpr std::chrono::milliseconds rescue_after{1'000};

/// By stage, the versions that a process has copies of.
using copies = std::map<uint32_t, std::set<int64_t>>;

/// A peer's worker and replicator.
struct fake_peer {
  worker_id id;
  stage_id stage{0};
  wire::member_state state = wire::member_state::serving;
  int64_t version = here;
  uint64_t history = 0;  ///< of that version; what is kept is of history 0
  copies kept;
  bool inventory_lost = false;  ///< the replicator never answers
  bool inventory_damaged = false;
  uint64_t sees = 0;     ///< bit s: somebody who serves stage s
  bool restores = true;  ///< answers Restore
  /// Seconds of polling that a Restore takes, with a MiB a second until `restored_at_most` are
  /// here.
  int64_t restores_in = 0;
  uint64_t restored_at_most = ~uint64_t{0};
  std::optional<int64_t> restore_began_ms;
  caf::actor worker;
  caf::actor replicator;
};

/// An order of the coordinator.
struct order {
  std::string kind;
  uint64_t peer = 0;
  uint64_t term = 0;
  int64_t value = 0;              ///< of a MoveOrder the stage, of a Restore the version
  std::vector<uint64_t> holders;  ///< of a Restore
};

class rescue_rig {
 public:
  /// As many peers at each stage as `counts` says, with ids from 1.
  explicit rescue_rig(const std::vector<int>& counts,
                      std::chrono::milliseconds rescue = rescue_after)
      : stages_(static_cast<int32_t>(counts.size())), rescue_(rescue) {
    directory_ = world.own(peer::spawn_directory(world.system()));
    roster_.follow(world, directory_);
    telemetry_ = world.own(world.system().spawn([this]() -> caf::behavior {
      return {[this](const telemetry::event& e) { events.push_back(e); }};
    }));
    uint64_t peer = 0;
    for (size_t s = 0; s < counts.size(); ++s)
      for (int i = 0; i < counts[s]; ++i)
        add(++peer, static_cast<int32_t>(s));
    leader = add_candidate(1'000, true);
  }

  ~rescue_rig() {
    for (auto& [id, p] : peers)
      p.worker = p.replicator = nullptr;
    roster_.members.clear();
  }

  rescue_rig(const rescue_rig&) = delete;
  rescue_rig& operator=(const rescue_rig&) = delete;

  training::coordinator_actor add_candidate(uint64_t peer, bool first) {
    training::coordinator_options options;
    options.id = life(peer);
    options.first = first;
    options.first_step = step_id{here};
    options.stages = stages_;
    options.rescue_after = rescue_;
    options.directory = directory_;
    options.telemetry = telemetry_;
    const auto made = world.own(training::spawn_coordinator(world.system(), options));
    world.run();
    return made;
  }

  fake_peer& add(uint64_t peer, int32_t stage,
                 wire::member_state state = wire::member_state::serving) {
    auto& p = peers[peer];
    p.id = life(peer);
    p.stage = stage_id{stage};
    p.state = state;
    p.worker = spawn_worker(p);
    p.replicator = spawn_replicator(p);
    announce(p);
    world.run();
    return p;
  }

  /// With its replicator and all that it kept.
  void kill(uint64_t peer) {
    caf::anon_send_exit(peers.at(peer).worker, caf::exit_reason::kill);
    caf::anon_send_exit(peers.at(peer).replicator, caf::exit_reason::kill);
    world.run();
  }

  /// Its worker's next life, as its replicator carries a move out.
  void arrive(uint64_t peer, int32_t stage) {
    auto& p = peers.at(peer);
    caf::anon_send_exit(p.worker, caf::exit_reason::kill);
    world.run();
    p.id.incarnation = p.id.incarnation.next();
    p.stage = stage_id{stage};
    p.state = wire::member_state::joining;
    p.version = 0;
    p.worker = spawn_worker(p);
    announce(p);
    world.run();
  }

  /// Replicators carry out what they are told.
  void pass(std::chrono::milliseconds time) {
    constexpr std::chrono::milliseconds step{50};
    for (; time.count() > 0; time -= step) {
      world.pass(step);
      for (const auto& [peer, stage] : std::exchange(told_, {}))
        arrive(peer, stage);
    }
  }

  /// The answer to a wish to move, or nothing so far.
  struct wish {
    std::shared_ptr<reply_slot<wire::move_answer>> reply;
    std::optional<schemas::MoveAnswer::Verdict> said() const {
      if (!reply->value) return std::nullopt;
      return reply->value->read()->getVerdict();
    }
  };
  wish ask(uint64_t peer, int32_t from, int32_t to) { return ask(leader, peer, from, to); }
  wish ask(const training::coordinator_actor& whom, uint64_t peer, int32_t from, int32_t to) {
    wire::builder<schemas::MoveRequest> message;
    wire::to_wire(peers.at(peer).id, message->initWorker());
    message->setFrom(static_cast<uint32_t>(from));
    message->setTo(static_cast<uint32_t>(to));
    return {testing::ask<wire::move_answer>(world, whom, message.finish())};
  }

  /// Of the coordinator that leads.
  uint64_t term() const {
    uint64_t result = 0;
    for (const auto& [id, m] : roster_.members)
      if (m.role == wire::member_role::coordinator && m.state == wire::member_state::serving)
        result = std::max(result, m.term);
    return result;
  }

  std::vector<order> sent(const std::string& kind) const {
    std::vector<order> result;
    std::copy_if(orders.begin(), orders.end(), std::back_inserter(result),
                 [&](const order& o) { return o.kind == kind; });
    return result;
  }

  std::set<uint64_t> sent_to(const std::string& kind) const {
    std::set<uint64_t> result;
    for (const auto& o : sent(kind))
      result.insert(o.peer);
    return result;
  }

  size_t count(const std::string& event) const {
    return static_cast<size_t>(std::count_if(events.begin(), events.end(),
                                             [&](const auto& e) { return e.name == event; }));
  }

  /// A field of the last such event; 0 or "" if there is none.
  template <class Value>
  Value last(const std::string& event, const std::string& key) const {
    Value result{};
    for (const auto& e : events)
      if (e.name == event)
        if (const auto* value = telemetry::find(e, key)) result = std::get<Value>(*value);
    return result;
  }

  virtual_world world;
  training::coordinator_actor leader;
  std::map<uint64_t, fake_peer> peers;
  std::vector<order> orders;
  std::vector<telemetry::event> events;

 private:
  void announce(const fake_peer& p) {
    auto m = serving(p.id, p.stage, p.worker);
    m.state = p.state;
    m.version = p.version;
    m.history = p.history;
    m.replicator = p.replicator;
    caf::anon_send(directory_, wire::announce_atom::value, m);
  }

  static wire::position position_of(const fake_peer& p) {
    wire::builder<schemas::Position> reply;
    wire::to_wire(p.id, reply->initWorker());
    reply->setStage(static_cast<uint32_t>(p.stage.value()));
    reply->setVersion(p.version);
    reply->setHistory(p.history);
    return reply.finish();
  }

  std::optional<caf::error> still_restoring(fake_peer& p) {
    const int64_t now_ms = world.elapsed().count();
    if (!p.restore_began_ms) p.restore_began_ms = now_ms;
    const int64_t seconds = (now_ms - *p.restore_began_ms) / 1'000;
    if (seconds >= p.restores_in) return std::nullopt;
    stage::refusal why;
    why.reason = stage::refusal_reason::restoring;
    why.done_bytes = std::min(static_cast<uint64_t>(seconds), p.restored_at_most) << 20;
    why.total_bytes = static_cast<uint64_t>(p.restores_in) << 20;
    return stage::make_error(why);
  }

  caf::actor spawn_worker(fake_peer& p) {
    return world.own(world.system().spawn([this, &p](caf::event_based_actor* self) {
      return caf::behavior{
          [](const wire::beat&) {},
          [](const wire::pre_vote&) {
            wire::builder<schemas::Vote> vote;
            vote->setGranted(true);
            return vote.finish();
          },
          [=, &p](const wire::take_over& m) {
            orders.push_back({"TakeOver", p.id.peer.value(), m.read()->getTerm(), 0, {}});
            return position_of(p);
          },
          [=, &p](const wire::restore& m) -> caf::result<wire::position> {
            const auto body = m.read();
            order made{"Restore", p.id.peer.value(), body->getTerm(), body->getVersion(), {}};
            for (const auto holder : body->getHolders())
              made.holders.push_back(wire::from_wire(holder).peer.value());
            orders.push_back(made);
            if (!p.restores) return self->make_response_promise<wire::position>();
            if (const auto error = still_restoring(p)) return *error;
            p.version = body->getVersion();
            p.history = body->getTerm();
            p.state = wire::member_state::serving;
            announce(p);
            return position_of(p);
          }};
    }));
  }

  caf::actor spawn_replicator(fake_peer& p) {
    return world.own(world.system().spawn([this, &p](caf::event_based_actor* self) {
      return caf::behavior{
          [=, &p](const wire::inventory_request& m) -> caf::result<wire::inventory> {
            orders.push_back({"Inventory", p.id.peer.value(), m.read()->getTerm(), 0, {}});
            if (p.inventory_lost) return self->make_response_promise<wire::inventory>();
            if (p.inventory_damaged) return wire::inventory{wire::errc::malformed};
            std::vector<std::pair<uint32_t, int64_t>> items;
            for (const auto& [stage, versions] : p.kept)
              for (const auto version : versions)
                items.emplace_back(stage, version);
            wire::builder<schemas::Inventory> reply;
            auto list = reply->initItems(static_cast<unsigned>(items.size()));
            for (unsigned i = 0; i < list.size(); ++i) {
              list[i].setStage(items[i].first);
              list[i].setVersion(items[i].second);
            }
            reply->setSeen(p.sees);
            return reply.finish();
          },
          [=, &p](const wire::move_order& m) {
            const auto stage = m.read()->getStage();
            orders.push_back({"MoveOrder", p.id.peer.value(), m.read()->getTerm(), stage, {}});
            told_.emplace_back(p.id.peer.value(), static_cast<int32_t>(stage));
            wire::builder<schemas::MoveDone> reply;
            reply->setStage(stage);
            return reply.finish();
          }};
    }));
  }

  int32_t stages_;
  std::chrono::milliseconds rescue_;
  wire::directory_actor directory_;
  roster_watch roster_;
  caf::actor telemetry_;
  std::vector<std::pair<uint64_t, int32_t>> told_;
};

}  // namespace swarm::testing
