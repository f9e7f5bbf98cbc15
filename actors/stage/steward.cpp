#include "actors/stage/steward.hpp"

#include <array>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "actors/stage/custody.hpp"
#include "actors/stage/errc.hpp"
#include "actors/stage/replies.hpp"
#include "actors/stage/state_fetch.hpp"
#include "actors/telemetry/event.hpp"

namespace swarm::stage {

namespace {

/// A copy that is not needed here any more is dropped after so many custody periods.
constexpr uint32_t drop_after_looks = 10;

using look_atom = caf::atom_constant<caf::atom("look")>;
using full_steward =
    wire::steward_actor::extend<caf::reacts_to<wire::roster_update>, caf::reacts_to<look_atom>>;
template <class Reply>
using promise = caf::typed_response_promise<Reply>;

class steward final : public full_steward::base {
 public:
  steward(caf::actor_config& cfg, steward_options options)
      : full_steward::base(cfg), options_(std::move(options)) {}

  const char* name() const override { return "steward"; }

  // A terminated actor lives on until nobody holds it, so whom it holds must go now.
  void on_exit() override {
    options_ = {};
    workers_.clear();
    pursuits_ = {};
    offered_.clear();
  }

  behavior_type make_behavior() override {
    send(options_.directory, wire::subscribe_atom::value, caf::actor_cast<caf::actor>(ctrl()));
    if (options_.custody_period.count() > 0)
      delayed_send(this, options_.custody_period, look_atom::value);
    return {[this](const wire::state_request& m) { return on_state_request(m); },
            [this](const wire::inventory_request& m) { return on_inventory(m); },
            [this](const wire::move_order& m) { return on_move(m); },
            [this](const wire::roster_update& m) { on_roster(m); },
            [this](look_atom) {
              delayed_send(this, options_.custody_period, look_atom::value);
              look();
            }};
  }

 private:
  struct worker {
    stage_id stage;
    bool serving;
    wire::steward_actor steward;
  };
  using question = state_fetch<wire::steward_actor>::question;

  /// A stage of whose state it wants the newest copy.
  struct pursuit {
    stage_id stage{-1};
    state_fetch<wire::steward_actor> fetch;
    size_t donors_left = 0;  ///< to be asked in this look
    caf::actor_clock::time_point asked_at;
  };

  void report(const char* what, stage_id stage, step_id version) {
    if (!options_.telemetry) return;
    caf::anon_send(options_.telemetry,
                   telemetry::event{what,
                                    {{"stage", int64_t{stage.value()}},
                                     {"version", version.value()},
                                     {"peer", static_cast<int64_t>(options_.id.value())}}});
  }

  // -- what it hands over ---------------------------------------------------------------------

  promise<wire::state_chunk> on_state_request(const wire::state_request& m) {
    auto reply = make_response_promise<promise<wire::state_chunk>>();
    if (auto fault = m.fault()) return reply.deliver(wire::make_error(*fault));
    const auto body = m.read();
    const stage_id stage{static_cast<int32_t>(body->getStage())};
    auto version = step_id{body->getVersion()};
    if (version < step_id{0}) {
      const auto newest = options_.vault->newest(stage);
      if (!newest || newest->value() <= body->getNewerThan())
        return reply.deliver(make_error(errc::no_state));
      version = *newest;
    }
    auto& offered = offered_[stage];
    if (!offered.has(version)) {
      const auto state = find(stage, version);
      if (!state) return reply.deliver(make_error(errc::no_state));
      offered.put(version, state->state, state->commit);
    }
    const auto chunk = offered.read(version, body->getOffsetBytes(), options_.chunk_bytes);
    if (!chunk) return reply.deliver(make_error(errc::no_state));
    return reply.deliver(chunk_of(version, *chunk));
  }

  std::optional<stored_state> find(stage_id stage, step_id version) const {
    if (auto state = options_.vault->find(stage, version)) return state;
    for (auto& state : stored(stage))
      if (state.version == version) return std::move(state);
    return std::nullopt;
  }

  std::vector<stored_state> stored(stage_id stage) const {
    const auto store = stage == options_.serves() ? options_.store() : nullptr;
    return store ? store->states() : std::vector<stored_state>{};
  }

  promise<wire::inventory> on_inventory(const wire::inventory_request& m) {
    auto reply = make_response_promise<promise<wire::inventory>>();
    if (auto fault = m.fault()) return reply.deliver(wire::make_error(*fault));
    auto versions = options_.vault->versions();
    const auto own = options_.serves();
    for (const auto& state : stored(own))
      versions[own].push_back(state.version);
    std::vector<std::pair<stage_id, step_id>> items;
    for (const auto& [stage, kept] : versions)
      for (const auto& version : kept)
        if (items.size() < inventory_items_max) items.emplace_back(stage, version);
    wire::builder<schemas::Inventory> message;
    auto list = message->initItems(static_cast<unsigned>(items.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      list[i].setStage(static_cast<uint32_t>(items[i].first.value()));
      list[i].setVersion(items[i].second.value());
    }
    uint64_t seen = 0;
    for (const auto& [id, w] : workers_)
      if (w.serving && w.stage.value() < 64) seen |= uint64_t{1} << w.stage.value();
    message->setSeen(seen);
    reply.deliver(message.finish());
    // Whoever asks is waiting for copies.
    if (options_.custody_period.count() > 0) seek();
    return reply;
  }

  promise<wire::move_done> on_move(const wire::move_order& m) {
    auto reply = make_response_promise<promise<wire::move_done>>();
    if (auto fault = m.fault()) return reply.deliver(wire::make_error(*fault));
    const auto to = m.read()->getStage();
    if (to >= static_cast<uint32_t>(options_.stages))
      return reply.deliver(wire::make_error(wire::errc::malformed));
    const stage_id stage{static_cast<int32_t>(to)};
    if (stage != options_.serves()) {
      report("moves", stage, step_id{-1});
      options_.move(stage);
    }
    wire::builder<schemas::MoveDone> message;
    message->setStage(to);
    return reply.deliver(message.finish());
  }

  // -- custodian ------------------------------------------------------------------------------

  void on_roster(const wire::roster_update& update) {
    for (const auto& id : update.gone) {
      workers_.erase(id);
      for (auto& p : pursuits_)
        if (p.fetch.remove(id)) look_elsewhere(p);
    }
    for (const auto& m : update.changed) {
      if (m.role != wire::member_role::stage_worker || !m.steward) continue;
      workers_[m.id] = {m.stage, m.state == wire::member_state::serving,
                        caf::actor_cast<wire::steward_actor>(m.steward)};
    }
  }

  std::optional<worker_id> self_id() const {
    for (auto it = workers_.rbegin(); it != workers_.rend(); ++it)
      if (it->first.peer == options_.id) return it->first;
    return std::nullopt;
  }

  void look() {
    const auto now = clock().now();
    // After a pause of its own it does not know yet who is still there.
    if (now - last_look_ > 2 * options_.custody_period) unneeded_.clear();
    last_look_ = now;
    seek();
    if (keeps_) drop_others();
    report_promises();
  }

  /// They are written behind everybody's back.
  void report_promises() {
    if (!options_.telemetry) return;
    for (const auto& [stage, word] : options_.vault->words()) {
      auto& told = told_[stage];
      if (told == word.changes) continue;
      told = word.changes;
      caf::anon_send(options_.telemetry,
                     telemetry::event{promise_event(word),
                                      {{"stage", int64_t{stage.value()}},
                                       {"peer", static_cast<int64_t>(options_.id.value())},
                                       {"detail", word.sentence}}});
    }
  }

  /// After the stage that it is custodian of, which may change with who is there, and after its
  /// own, of which a worker that has joined since the last copy has none.
  void seek() {
    const auto self = self_id();
    if (!self) return;
    std::map<worker_id, stage_id> places;
    for (const auto& [id, w] : workers_)
      places[id] = w.stage;
    const auto own = options_.serves();
    keeps_ = custody_of(places, options_.stages, *self, own);
    if (!keeps_) return;
    auto& [custody, mending] = pursuits_;
    pursue(custody, *keeps_);
    if (options_.vault->newest(own) < options_.vault->newest(*keeps_)) pursue(mending, own);
  }

  void pursue(pursuit& p, stage_id stage) {
    if (p.stage != stage) {
      p = {};
      p.stage = stage;
    }
    size_t donors = 0;
    for (const auto& [id, w] : workers_) {
      if (w.stage == stage && id.peer != options_.id) {
        p.fetch.add(id, w.steward);
        ++donors;
      } else if (p.fetch.remove(id)) {
        p.fetch.switch_donor();
      }
    }
    // Another one may answer when this one hangs.
    if (p.fetch.asks() && clock().now() - p.asked_at > options_.chunk_timeout / 2)
      p.fetch.switch_donor();
    p.donors_left = donors;
    go_on(p);
  }

  void go_on(pursuit& p) {
    if (const auto asked = p.fetch.begin()) ask(p, *asked);
  }

  void look_elsewhere(pursuit& p) {
    p.fetch.switch_donor();
    if (p.donors_left > 0) --p.donors_left;
    if (p.donors_left > 0) go_on(p);
  }

  void ask(pursuit& p, const question& asked) {
    const auto stage = p.stage;
    const auto have = options_.vault->newest(stage);
    p.asked_at = clock().now();
    request(asked.donor, options_.chunk_timeout,
            request_of(stage, asked.version, asked.offset_bytes, have ? have->value() : -1))
        .then(
            [=, &p](const wire::state_chunk& m) {
              if (p.stage == stage && p.fetch.open(asked)) on_chunk(p, asked, m);
            },
            [=, &p](caf::error&) {
              // Mostly there is nothing newer.
              if (p.stage == stage && p.fetch.open(asked)) look_elsewhere(p);
            });
  }

  void on_chunk(pursuit& p, const question& asked, const wire::state_chunk& m) {
    if (m.fault()) return look_elsewhere(p);
    const auto chunk = m.read();
    const auto bytes = chunk->getBytes();
    const auto commit = commit_in(*chunk);
    switch (p.fetch.accept(step_id{chunk->getVersion()}, chunk->getTotalBytes(),
                           chunk->getOffsetBytes(), chunk->getChecksum(), bytes.begin(),
                           bytes.size())) {
      case state_assembly::progress::more:
        return ask(p, p.fetch.next(asked));
      case state_assembly::progress::complete: {
        const auto [version, state] = p.fetch.take();
        options_.vault->put(p.stage, {version, state, commit});
        return report("custody", p.stage, version);
      }
      case state_assembly::progress::stale:
      case state_assembly::progress::damaged:
        return p.fetch.give_up();
    }
  }

  /// What is not its own and not its to keep goes after a while: until then others have fetched it.
  /// Nothing goes while a stage has nobody: this may be the only copy of it, or the only one of
  /// another stage that goes with what is left of it.
  void drop_others() {
    std::set<stage_id> served;
    for (const auto& [id, w] : workers_)
      if (w.serving) served.insert(w.stage);
    const bool whole = served.size() == static_cast<size_t>(options_.stages);
    std::set<stage_id> needed;
    for (const auto& [stage, versions] : options_.vault->versions()) {
      const bool kept = !whole || stage == options_.serves() || stage == keeps_;
      auto& looks = unneeded_[stage];
      looks = kept ? 0 : looks + 1;
      if (looks < drop_after_looks) needed.insert(stage);
    }
    options_.vault->retain(needed);
  }

  steward_options options_;
  std::map<worker_id, worker> workers_;
  std::optional<stage_id> keeps_;
  caf::actor_clock::time_point last_look_;
  std::map<stage_id, uint32_t> unneeded_;  ///< looks in a row
  std::array<pursuit, 2> pursuits_;        ///< of the stage that it is custodian of, and of its own
  std::map<stage_id, snapshot_store> offered_;  ///< with their checksums
  std::map<stage_id, uint64_t> told_;           ///< of what the vault's stores say
};

}  // namespace

wire::steward_actor spawn_steward(caf::actor_system& system, steward_options options) {
  return system.spawn<steward>(std::move(options));
}

}  // namespace swarm::stage
