#include "actors/stage/replicator.hpp"

#include <algorithm>
#include <array>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <utility>
#include <vector>

#include "actors/actor_body.hpp"
#include "actors/limits.hpp"
#include "actors/stage/backup_stage.hpp"
#include "actors/stage/errc.hpp"
#include "actors/stage/fetcher.hpp"
#include "actors/stage/replies.hpp"
#include "actors/stage/state_transfer.hpp"
#include "actors/telemetry/event.hpp"

namespace swarm::stage {

namespace {

/// A copy that is not needed here any more is dropped after so many backup periods.
constexpr uint32_t drop_after_looks = 10;
/// A state that was read from the disk for others is held so many periods longer.
constexpr uint32_t lend_looks = 4;

using look_atom = caf::atom_constant<caf::atom("look")>;
using wake_atom = caf::atom_constant<caf::atom("wake")>;
using full_replicator =
    wire::replicator_actor::extend<caf::reacts_to<wire::roster_update>, caf::reacts_to<look_atom>,
                                   caf::reacts_to<wake_atom>>;
template <class Reply>
using promise = caf::typed_response_promise<Reply>;

class replicator final : public actor_body<full_replicator::base> {
 public:
  static constexpr const char* name = "replicator";

  replicator(pointer self, replicator_options options)
      : actor_body(self), options_(std::move(options)) {
    for (auto& p : pursuits_)
      p = std::make_unique<pursuit>(*this);
  }

  behavior_type make_behavior() {
    send(options_.directory, wire::subscribe_atom::value, caf::actor_cast<caf::actor>(ctrl()));
    if (options_.backup_period.count() > 0)
      delayed_send(self(), options_.backup_period, look_atom::value);
    return {[this](const wire::state_request& m) { return on_state_request(m); },
            [this](const wire::inventory_request& m) { return on_inventory(m); },
            [this](const wire::move_order& m) { return on_move(m); },
            [this](const wire::roster_update& m) { on_roster(m); },
            [this](look_atom) {
              delayed_send(self(), options_.backup_period, look_atom::value);
              look();
            },
            [this](wake_atom) {
              for (auto& p : pursuits_)
                p->fetch.on_wake();
            }};
  }

 private:
  struct worker {
    stage_id stage;
    bool serving;
    wire::replicator_actor replicator;
  };
  /// A stage of whose state it wants the newest copy.
  struct pursuit final : fetch_listener {
    explicit pursuit(replicator& owner)
        : host(owner),
          fetch([&owner] { return owner.self(); }, *this,
                [&owner](std::chrono::nanoseconds after) {
                  owner.delayed_send(owner.self(), after, wake_atom::value);
                }) {}

    void on_shard(size_t shard, worker_id from, const wire::state_chunk& m) override {
      host.put_in_place(*this, shard, from, m);
    }
    void on_change() override {
      host.look_at(*this);
      if (fetch.active()) fetch.machine().spare(host.options_.line->reducing());
    }

    void stop() {
      fetch.stop();
      state = {};
      bytes = nullptr;
    }
    void clear() {
      stop();
      fetch.clear();
      stage = stage_id{-1};
      no_room_for.reset();
    }

    replicator& host;
    stage_id stage{-1};
    fetcher<full_replicator::base> fetch;
    tensors::host_tensor state;  ///< what has come of it
    void* bytes = nullptr;
    last_commit commit;
    history_names also;
    std::optional<weights_id> no_room_for;  ///< what has come in vain
  };
  friend struct pursuit;

  /// Read from the disk for somebody.
  struct lent {
    stored_state state;
    uint32_t looks = 0;  ///< since it was last asked for
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
    auto wanted = weights_in(*body);
    if (!wanted) {
      wanted = options_.snapshots->newest(stage);
      const weights_id newer_than{history_id{body->getNewerThanHistory()},
                                  step_id{body->getNewerThan()}};
      if (!wanted || *wanted <= newer_than) return reply.deliver(make_error(errc::no_state));
    }
    const auto found = find(stage, *wanted);
    if (!found || body->getElements() > shard_elements_max)
      return reply.deliver(make_error(errc::no_state));
    const auto shard = shard_of(found->state, body->getFirstElement(), body->getElements());
    if (!shard) return reply.deliver(make_error(errc::no_state));
    // By the name that it was asked for.
    const auto weights = wanted->history == any_history ? found->weights() : *wanted;
    return reply.deliver(chunk_of({weights,
                                   found->commit,
                                   static_cast<uint64_t>(found->state.shape()[1]),
                                   body->getFirstElement(),
                                   *shard,
                                   {},
                                   with_name(found->also, found->history)}));
  }

  std::optional<stored_state> find(stage_id stage, weights_id wanted) {
    if (auto state = options_.snapshots->find(stage, wanted)) return state;
    const auto last = lent_.find(stage);
    if (last != lent_.end() && last->second.state.is(wanted)) {
      last->second.looks = 0;
      return last->second.state;
    }
    for (auto& state : stored(stage))
      if (state.is(wanted)) {
        lent_[stage] = {state, 0};
        return std::move(state);
      }
    return std::nullopt;
  }

  std::vector<stored_state> stored(stage_id stage) const {
    const auto store = stage == options_.serves() ? options_.store() : nullptr;
    return store ? store->states() : std::vector<stored_state>{};
  }

  promise<wire::inventory> on_inventory(const wire::inventory_request& m) {
    auto reply = make_response_promise<promise<wire::inventory>>();
    if (auto fault = m.fault()) return reply.deliver(wire::make_error(*fault));
    term_ = std::max(term_, term_id{m.read()->getTerm()});
    auto versions = options_.snapshots->versions();
    const auto own = options_.serves();
    for (const auto& state : stored(own))
      versions[own].push_back(state.weights());
    std::vector<std::pair<stage_id, weights_id>> items;
    for (const auto& [stage, kept] : versions)
      for (const auto& weights : kept)
        if (items.size() < inventory_items_max) items.emplace_back(stage, weights);
    wire::builder<schemas::Inventory> message;
    auto list = message->initItems(static_cast<unsigned>(items.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      list[i].setStage(static_cast<uint32_t>(items[i].first.value()));
      list[i].setVersion(items[i].second.version.value());
      list[i].setHistory(items[i].second.history.value());
    }
    uint64_t seen = 0;
    for (const auto& [id, w] : workers_)
      if (w.serving && w.stage.value() < stages_max) seen |= uint64_t{1} << w.stage.value();
    message->setSeen(seen);
    reply.deliver(message.finish());
    // Whoever asks is waiting for copies.
    if (options_.backup_period.count() > 0) seek();
    return reply;
  }

  promise<wire::move_done> on_move(const wire::move_order& m) {
    auto reply = make_response_promise<promise<wire::move_done>>();
    if (auto fault = m.fault()) return reply.deliver(wire::make_error(*fault));
    const auto to = m.read()->getStage();
    if (to >= static_cast<uint32_t>(options_.stages))
      return reply.deliver(wire::make_error(wire::errc::malformed));
    const term_id term{m.read()->getTerm()};
    if (term < term_) return reply.deliver(make_error(refusal{refusal_reason::lower_term, term_}));
    term_ = term;
    const stage_id stage{static_cast<int32_t>(to)};
    if (stage != options_.serves()) {
      report("moves", stage, step_id{-1});
      options_.move(stage);
    }
    wire::builder<schemas::MoveDone> message;
    message->setStage(to);
    return reply.deliver(message.finish());
  }

  // -- backup ------------------------------------------------------------------------------

  void on_roster(const wire::roster_update& update) {
    roster_changed_ = true;
    for (const auto& id : update.gone) {
      workers_.erase(id);
      for (auto& p : pursuits_)
        p->fetch.remove(id);
    }
    for (const auto& m : update.changed) {
      if (m.role != wire::member_role::stage_worker || !m.replicator) continue;
      workers_[m.id] = {m.stage, m.state == wire::member_state::serving,
                        caf::actor_cast<wire::replicator_actor>(m.replicator)};
    }
    for (auto& p : pursuits_) {
      p->fetch.go_on();
      look_at(*p);
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
    if (now - last_look_ > 2 * options_.backup_period) unneeded_.clear();
    last_look_ = now;
    seek();
    if (knows_its_place_) drop_others();
    for (auto it = lent_.begin(); it != lent_.end();)
      it = ++it->second.looks > lend_looks ? lent_.erase(it) : std::next(it);
    report_promises();
  }

  /// They are written behind everybody's back.
  void report_promises() {
    if (!options_.telemetry) return;
    for (const auto& [stage, word] : options_.snapshots->words()) {
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

  /// After the stage that it backs up, which may change with who is there, and after its own, of
  /// which a backup that has joined since the last copy has none. While its worker fetches, the
  /// line is the worker's, and what is here stays.
  void seek() {
    const auto own = options_.serves();
    if (std::exchange(roster_changed_, false) || own != served_) find_place(own);
    if (!knows_its_place_) return;
    const auto& [backup, mending] = pursuits_;
    if (!keeps_) {
      backup->clear();
      return mending->clear();
    }
    pursue(*backup, *keeps_);
    if (options_.snapshots->newest(own) < options_.snapshots->newest(*keeps_))
      pursue(*mending, own);
  }

  /// Looks at everybody, so only when somebody has changed.
  void find_place(stage_id own) {
    served_ = own;
    const auto self = self_id();
    if (!self || !workers_.at(*self).serving) return;
    std::map<worker_id, stage_id> places;
    for (const auto& [id, w] : workers_)
      if (w.serving) places[id] = w.stage;
    knows_its_place_ = true;
    keeps_ = backup_stage_of(places, options_.stages, *self, own);
  }

  void pursue(pursuit& p, stage_id stage) {
    if (p.stage != stage) p.clear();
    p.stage = stage;
    for (const auto& [id, w] : workers_) {
      if (w.stage == stage && id.peer != options_.id) {
        if (!p.fetch.has(id)) p.fetch.add(id, caf::actor_cast<caf::actor>(w.replicator));
      } else {
        p.fetch.remove(id);
      }
    }
    if (!p.fetch.active()) begin(p);
    p.fetch.go_on();
    look_at(p);
  }

  /// After the newest copy, if it is newer than what is here.
  void begin(pursuit& p) {
    download_options options;
    options.elements_max = state_bytes_max / element_state_bytes;
    options.shard_elements = shard_elements_of(options_.chunk_bytes);
    options.first_patience_s = std::chrono::duration<double>(options_.chunk_timeout).count();
    options.pause_s = std::chrono::duration<double>(options_.backup_period).count();
    options.window_bytes_max = options_.download_window_bytes;
    options.seed = options_.id.value();
    options.one_version = true;
    // What there was no room for is not fetched again and again.
    const auto have = std::max(options_.snapshots->newest(p.stage), p.no_room_for);
    p.fetch.start(p.stage, options);
    if (have) p.fetch.machine().require(have->next());
    p.fetch.want_newer_than(have);
  }

  void put_in_place(pursuit& p, size_t shard, worker_id from, const wire::state_chunk& m) {
    auto& machine = p.fetch.machine();
    if (p.bytes == nullptr && rename(p, *machine.here(shard), *m.read())) return;
    const auto elements = machine.elements();
    if (!options_.snapshots->has_place_for(elements * element_state_bytes))
      return leave_out(p, machine.here(shard));
    try {
      // Not touched before something comes, whatever the donor says of the size.
      if (p.bytes == nullptr)
        p.state = tensors::host_tensor::allocate(tensors::dtype::f32,
                                                 {3, static_cast<int64_t>(elements)}, &p.bytes);
    } catch (const std::bad_alloc&) {
      machine.spoiled(shard, from, p.fetch.now_s());
      return;
    }
    const auto chunk = m.read();
    p.commit = commit_in(*chunk);
    p.also = names_in(*chunk);
    put_shard(p.bytes, elements, machine.range(shard), chunk->getBytes().begin());
    machine.placed(shard);
  }

  /// A run that went back has the weights that are here, by another name: the first shard says so,
  /// and the others would come in vain.
  bool rename(pursuit& p, weights_id weights, schemas::StateChunk::Reader chunk) {
    const auto names = names_in(chunk);
    for (const auto name : names) {
      auto here = options_.snapshots->find(p.stage, {name, weights.version});
      if (!here) continue;
      p.stop();
      const bool kept = options_.snapshots->put(
          p.stage,
          {weights.version, std::move(here->state), commit_in(chunk), weights.history, names});
      if (kept) report("backup", p.stage, weights.version);
      return true;
    }
    return false;
  }

  /// How large it is one knows from its first shard; the rest would come in vain.
  void leave_out(pursuit& p, std::optional<weights_id> weights) {
    p.stop();
    p.no_room_for = weights;
    report("no_room_for_copy", p.stage, weights->version);
  }

  void look_at(pursuit& p) {
    if (!p.fetch.active()) return;
    if (const auto weights = p.fetch.machine().complete()) {
      const bool kept = options_.snapshots->put(
          p.stage,
          {weights->version, std::exchange(p.state, {}), p.commit, weights->history, p.also});
      if (!kept) return leave_out(p, weights);
      p.stop();
      report("backup", p.stage, weights->version);
    } else if (p.fetch.machine().hopeless()) {
      // Mostly there is nothing newer.
      p.stop();
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
    for (const auto& [stage, versions] : options_.snapshots->versions()) {
      const bool kept = !whole || stage == options_.serves() || stage == keeps_;
      auto& looks = unneeded_[stage];
      looks = kept ? 0 : looks + 1;
      if (looks < drop_after_looks) needed.insert(stage);
    }
    options_.snapshots->retain(needed);
  }

  replicator_options options_;
  std::map<worker_id, worker> workers_;
  term_id term_{0};                ///< the highest that it has heard
  std::optional<stage_id> keeps_;  ///< nothing: it is no backup
  bool knows_its_place_ = false;
  bool roster_changed_ = true;
  stage_id served_{-1};  ///< when it last looked for its place
  caf::actor_clock::time_point last_look_;
  std::map<stage_id, uint32_t> unneeded_;  ///< looks in a row
  /// Of the stage that it backs up, and of its own.
  std::array<std::unique_ptr<pursuit>, 2> pursuits_;
  std::map<stage_id, lent> lent_;
  std::map<stage_id, uint64_t> told_;  ///< of what the snapshots's stores say
};

}  // namespace

wire::replicator_actor spawn_replicator(caf::actor_system& system, replicator_options options) {
  return system.spawn<embodied<replicator>>(std::move(options));
}

}  // namespace swarm::stage
