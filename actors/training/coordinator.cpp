#include "actors/training/coordinator.hpp"

#include <caf/sec.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "actors/telemetry/event.hpp"
#include "actors/training/step_ledger.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::training {

namespace {

using gather_atom = caf::atom_constant<caf::atom("gather")>;
using expire_atom = caf::atom_constant<caf::atom("expire")>;

using full_actor =
    coordinator_actor::extend<caf::reacts_to<gather_atom>, caf::reacts_to<expire_atom>>;

class coordinator final : public full_actor::base {
 public:
  coordinator(caf::actor_config& cfg, coordinator_options options)
      : full_actor::base(cfg), options_(std::move(options)), version_(options_.first_step) {}

  const char* name() const override { return "coordinator"; }

  // A terminated actor lives on until nobody holds it, so whom it holds must go now.
  void on_exit() override {
    options_ = {};
    workers_.clear();
    trainers_.clear();
    for (auto& caller : callers_)
      caller.reply.deliver(caf::make_error(caf::sec::request_receiver_down));
    callers_.clear();
  }

  behavior_type make_behavior() override {
    const auto me = caf::actor_cast<caf::actor>(ctrl());
    send(options_.directory, wire::subscribe_atom::value, me);
    wire::member self;
    self.role = wire::member_role::coordinator;
    self.id = options_.id;
    self.state = wire::member_state::serving;
    self.version = version_.value();
    self.handle = me;
    send(options_.directory, wire::announce_atom::value, self);
    delayed_send(this, options_.lease_timeout / 4, expire_atom::value);
    return {[this](const wire::lease_done& m) { on_lease_done(m); },
            [this](const wire::roster_update& m) { on_roster(m); },
            [this](advance_atom, int64_t target) { return on_advance(step_id{target}); },
            [this](gather_atom) {
              if (gather_later_) gather();
            },
            [this](expire_atom) { expire_leases(); }};
  }

 private:
  struct worker {
    stage_id stage;
    wire::stage_worker_actor handle;
  };
  struct trainer {
    uint32_t capacity;
    wire::trainer_inbox handle;
  };
  struct waiting_caller {
    step_id target;
    caf::typed_response_promise<int64_t> reply;
  };

  double now() { return std::chrono::duration<double>(clock().now().time_since_epoch()).count(); }

  void report(const char* what, std::vector<telemetry::field> fields) {
    if (!options_.telemetry) return;
    caf::anon_send(options_.telemetry, telemetry::event{what, std::move(fields)});
  }

  wire::epoch current() const { return {options_.term, version_, ledger_->round()}; }

  // -- who is there ---------------------------------------------------------------------------

  void on_roster(const wire::roster_update& update) {
    for (const auto& id : update.gone)
      forget(id);
    for (const auto& m : update.changed) {
      if (m.role == wire::member_role::trainer) {
        trainers_[m.id] = {m.capacity, caf::actor_cast<wire::trainer_inbox>(m.handle)};
      } else if (m.role == wire::member_role::stage_worker && m.stage.value() >= 0 &&
                 m.stage.value() < options_.stages) {
        if (m.state == wire::member_state::serving) {
          diverged_.erase(m.id);
          workers_[m.id] = {m.stage, caf::actor_cast<wire::stage_worker_actor>(m.handle)};
        } else {
          forget(m.id);
        }
      }
    }
    progress();
    answer_callers();
  }

  void forget(worker_id id) {
    dropping_.erase(id);
    diverged_.erase(id);
    uncommitted_.erase(uncommitted_.lower_bound({id, step_id{0}}),
                       uncommitted_.upper_bound({id, version_}));
    if (trainers_.erase(id) != 0 && ledger_) ledger_->trainer_lost(id);
    if (workers_.erase(id) != 0 && ledger_) ledger_->worker_lost(id);
  }

  // -- leases ---------------------------------------------------------------------------------

  caf::result<int64_t> on_advance(step_id target) {
    if (target < version_) return make_error(errc::bad_target);
    auto reply = make_response_promise<caf::typed_response_promise<int64_t>>();
    callers_.push_back({target, reply});
    target_ = std::max(target_, target);
    answer_callers();
    if (!ledger_) begin_step();
    return reply;
  }

  void answer_callers() {
    for (auto it = callers_.begin(); it != callers_.end();) {
      if (version_ < it->target || !uncommitted_.empty()) {
        ++it;
        continue;
      }
      it->reply.deliver(version_.value());
      it = callers_.erase(it);
    }
  }

  void begin_step() {
    ledger_.reset();
    if (!(version_ < target_)) return;
    ledger_ = std::make_unique<step_ledger>(version_, options_.microbatches, options_.stages);
    started_ = now();
    retries_ = recomputed_ = 0;
    failed_reduces_ = 0;
    wire::builder<schemas::BeginStep> message;
    message->setTerm(options_.term.value());
    message->setStep(version_.value());
    message->setMicrobatches(options_.microbatches);
    const auto begin = message.finish();
    for (const auto& [id, t] : trainers_)
      send(t.handle, begin);
    progress();
  }

  /// Leases what waits, and closes the round when nothing is left to wait for.
  void progress() {
    if (!ledger_) return;
    switch (ledger_->now()) {
      case step_ledger::phase::computing:
        if (dropping_.empty()) lease_out();
        if (ledger_->settled() && dropping_.empty()) gather();
        break;
      case step_ledger::phase::gathering:
        if (ledger_->gathered() && !gather_later_) reconcile();
        break;
      case step_ledger::phase::reducing:
        if (ledger_->reduce_failed()) gather();
        break;
      case step_ledger::phase::committable:
        break;
    }
  }

  void lease_out() {
    // In turns, so that none gets the whole batch, nor again what it has let expire.
    std::map<worker_id, std::vector<lease_item>> out;
    bool given = true;
    auto turn = last_leased_;
    while (given && ledger_->waiting()) {
      given = false;
      for (size_t left = trainers_.size(); left > 0; --left) {
        auto next = trainers_.upper_bound(turn);
        if (next == trainers_.end()) next = trainers_.begin();
        turn = next->first;
        if (ledger_->leased_to(turn) >= next->second.capacity) continue;
        auto item = ledger_->lease(turn, now());
        if (!item) break;
        out[turn].push_back(*item);
        last_leased_ = turn;
        given = true;
      }
    }
    for (const auto& [id, items] : out)
      send(trainers_.at(id).handle, lease_of(items));
  }

  wire::lease lease_of(const std::vector<lease_item>& items) {
    wire::builder<schemas::Lease> message;
    wire::set_epoch(*message, current());
    auto list = message->initItems(static_cast<unsigned>(items.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      list[i].setItem(items[i].item);
      list[i].setMicrobatch(items[i].microbatch.value());
      list[i].setStages(items[i].stages);
      list[i].setWeight(static_cast<int8_t>(items[i].weight));
      wire::to_wire(items[i].target, list[i].initTarget());
    }
    return message.finish();
  }

  void on_lease_done(const wire::lease_done& m) {
    if (m.fault() || !ledger_) return;
    const auto done = m.read();
    if (term_id{done->getTerm()} != options_.term || step_id{done->getStep()} != version_) return;
    if (done->getOutcome() > schemas::LeaseDone::Outcome::RETURNED) return;
    const auto outcome = static_cast<lease_outcome>(done->getOutcome());
    if (!ledger_->settle(done->getItem(), outcome, done->getLoss())) return;
    retries_ += done->getRetries();
    recomputed_ += done->getRecomputed();
    if (outcome != lease_outcome::done)
      report("lease_failed",
             {{"step", version_.value()},
              {"microbatch", done->getMicrobatch()},
              {"outcome",
               std::string{outcome == lease_outcome::non_finite ? "non_finite" : "returned"}}});
    progress();
  }

  void expire_leases() {
    const double age = std::chrono::duration<double>(options_.lease_timeout).count();
    if (ledger_ && ledger_->expire(now(), age) > 0) progress();
    delayed_send(this, options_.lease_timeout / 4, expire_atom::value);
  }

  // -- gather, reconcile ----------------------------------------------------------------------

  /// Everybody, but for those that have diverged; one per stage when they cannot agree on a sum.
  /// Whoever is left out learns at the commit that it has to fetch.
  std::map<worker_id, stage_id> participants() const {
    std::map<stage_id, std::vector<worker_id>> by_stage;
    for (const auto& [id, w] : workers_)
      if (diverged_.count(id) == 0) by_stage[w.stage].push_back(id);
    for (const auto& id : diverged_) {
      auto& others = by_stage[workers_.at(id).stage];
      if (others.empty()) others.push_back(id);
    }
    std::map<worker_id, stage_id> result;
    for (const auto& [stage, ids] : by_stage) {
      if (failed_reduces_ >= failed_reduces_max) {
        result[ids[(failed_reduces_ - failed_reduces_max) % ids.size()]] = stage;
      } else {
        for (const auto& id : ids)
          result[id] = stage;
      }
    }
    return result;
  }

  void gather() {
    gather_later_ = false;
    if (!ledger_) return;
    const auto asked = participants();
    ledger_->open_gather(asked);
    wire::builder<schemas::Gather> message;
    wire::set_epoch(*message, current());
    const auto ask = message.finish();
    for (const auto& [id, stage] : asked) {
      request(workers_.at(id).handle, options_.gather_timeout, ask)
          .then([this, id = id,
                 when = current()](const wire::holding& reply) { on_holding(id, when, reply); },
                [this, id = id, when = current()](caf::error&) { lost(id, when); });
    }
    progress();
  }

  /// An answer to an older round is no news.
  bool is_current(wire::epoch when) const {
    return ledger_ && when.step == version_ && when.round == ledger_->round();
  }

  void on_holding(worker_id id, wire::epoch when, const wire::holding& m) {
    if (!is_current(when)) return;
    if (!take(id, when, m)) return lost(id, when);
    progress();
  }

  bool take(worker_id id, wire::epoch when, const wire::holding& m) {
    if (!is_from(id, when, m)) return false;
    const auto held = m.read()->getHeld();
    return ledger_->report(id, when.round, {held.begin(), held.end()});
  }

  template <class Reply>
  static bool is_from(worker_id id, wire::epoch when, const Reply& m) {
    if (m.fault()) return false;
    const auto body = m.read();
    return wire::from_wire(body->getWorker()) == id && step_id{body->getStep()} == when.step &&
           round_id{body->getRound()} == when.round;
  }

  /// A worker did not do its part of this round.
  void lost(worker_id id, wire::epoch when) {
    if (!is_current(when)) return;
    ledger_->worker_lost(id);
    report("worker_silent",
           {{"step", version_.value()}, {"peer", static_cast<int64_t>(id.peer.value())}});
    progress();
  }

  void reconcile() {
    const auto closed = current();
    switch (ledger_->reconcile()) {
      case step_ledger::verdict::clean:
        return reduce();
      case step_ledger::verdict::stage_empty:
        report("stage_empty", {{"step", version_.value()}});
        gather_later_ = true;
        delayed_send(this, options_.empty_stage_retry, gather_atom::value);
        return;
      case step_ledger::verdict::rework:
        report("rework", {{"step", version_.value()},
                          {"round", int64_t{ledger_->round().value()}},
                          {"items", static_cast<int64_t>(ledger_->reworked())}});
        drop(closed);
        return progress();
    }
  }

  /// Leases of the new round wait until these sums are gone.
  void drop(wire::epoch closed) {
    wire::builder<schemas::Drop> message;
    wire::set_epoch(*message, closed);
    const auto ask = message.finish();
    for (const auto& id : ledger_->to_drop()) {
      const auto found = workers_.find(id);
      if (found == workers_.end()) continue;
      dropping_.insert(id);
      const auto done = [this, id] {
        if (dropping_.erase(id) != 0) progress();
      };
      request(found->second.handle, options_.gather_timeout, ask)
          .then([done](const wire::holding&) { done(); }, [done](caf::error&) { done(); });
    }
  }

  // -- reduce, commit -------------------------------------------------------------------------

  void reduce() {
    const auto groups = ledger_->groups();
    const auto when = current();
    for (size_t s = 0; s < groups.size(); ++s) {
      wire::builder<schemas::Reduce> message;
      wire::set_epoch(*message, when);
      message->setStage(static_cast<uint32_t>(s));
      auto members = message->initMembers(static_cast<unsigned>(groups[s].size()));
      for (unsigned i = 0; i < members.size(); ++i) {
        wire::to_wire(groups[s][i], members[i].initWorker());
        members[i].setContributes(true);
      }
      const auto ask = message.finish();
      for (const auto& id : groups[s]) {
        const auto found = workers_.find(id);
        if (found == workers_.end()) {
          lost(id, when);
          return;
        }
        request(found->second.handle, options_.reduce_timeout, ask)
            .then([this, id, when](const wire::reduced& reply) { on_reduced(id, when, reply); },
                  [this, id, when](caf::error& error) {
                    if (error != caf::sec::request_receiver_down) reduce_failed(id, when);
                    lost(id, when);
                  });
      }
    }
  }

  void on_reduced(worker_id id, wire::epoch when, const wire::reduced& m) {
    if (!is_current(when)) return;
    if (!is_from(id, when, m)) {
      reduce_failed(id, when);
      return lost(id, when);
    }
    const auto reduced = m.read();
    if (!ledger_->reduced(id, when.round, reduced->getHash().cStr(), reduced->getSquaredNorm()))
      reduce_failed(id, when);
    if (ledger_->committable()) return commit();
    progress();
  }

  /// Nobody can say whose fault a sum is that never came or that differs.
  void reduce_failed(worker_id id, wire::epoch when) {
    if (!is_current(when)) return;
    ++failed_reduces_;
    report("reduce_failed",
           {{"step", version_.value()}, {"peer", static_cast<int64_t>(id.peer.value())}});
  }

  void commit() {
    const double norm_squared = ledger_->squared_norm();
    const double scale =
        ledger_->dropped_scale() * tensors::clip_factor(options_.optimizer, norm_squared);
    wire::builder<schemas::Commit> message;
    wire::set_epoch(*message, current());
    message->setScale(scale);
    const auto order = message.finish();
    const auto hashes = std::make_shared<std::map<stage_id, std::string>>();
    // Everybody is told: whoever was not in a group learns here that it has to fetch.
    for (const auto& [id, w] : workers_) {
      uncommitted_.insert({id, version_});
      const auto done = [this, id = id, step = version_] {
        uncommitted_.erase({id, step});
        answer_callers();
      };
      request(w.handle, options_.reduce_timeout, order)
          .then(
              [this, id = id, hashes, stage = w.stage, next = version_.next(),
               done](const wire::committed& reply) {
                if (!agrees(id, next, reply, (*hashes)[stage])) diverged(id);
                done();
              },
              [done](caf::error&) { done(); });
    }
    report_step(norm_squared);
    version_ = version_.next();
    answer_callers();
    begin_step();
  }

  /// Replicas of a stage at one version have one hash: the first that came.
  static bool agrees(worker_id id, step_id version, const wire::committed& m, std::string& hash) {
    if (m.fault()) return false;
    const auto body = m.read();
    if (wire::from_wire(body->getWorker()) != id || step_id{body->getVersion()} != version)
      return false;
    if (hash.empty()) hash = body->getWeightsHash().cStr();
    return hash == body->getWeightsHash().cStr();
  }

  /// Its weights are not those of its stage: it has no part in any sum until it has fetched.
  void diverged(worker_id id) {
    report("worker_diverged",
           {{"step", version_.value()}, {"peer", static_cast<int64_t>(id.peer.value())}});
    if (workers_.count(id) == 0) return;
    diverged_.insert(id);
    if (ledger_) ledger_->worker_lost(id);
    progress();
  }

  void report_step(double norm_squared) {
    const double seconds = now() - started_;
    const auto tokens = options_.microbatches * options_.tokens_per_microbatch;
    std::vector<int64_t> per_stage(static_cast<size_t>(options_.stages), 0);
    for (const auto& [id, w] : workers_)
      ++per_stage[static_cast<size_t>(w.stage.value())];
    std::string workers;
    for (int64_t count : per_stage)
      workers += (workers.empty() ? "" : "/") + std::to_string(count);
    report("step", {{"step", version_.value()},
                    {"loss", ledger_->mean_loss()},
                    {"grad_norm", std::sqrt(norm_squared)},
                    {"lr", tensors::learning_rate(options_.optimizer, version_.value())},
                    {"seconds", seconds},
                    {"tokens", tokens},
                    {"rounds", int64_t{ledger_->round().value()}},
                    {"reworked", static_cast<int64_t>(ledger_->reworked())},
                    {"dropped", static_cast<int64_t>(ledger_->dropped().size())},
                    {"retries", retries_},
                    {"recomputed", recomputed_},
                    {"workers", workers}});
  }

  coordinator_options options_;
  step_id version_;
  step_id target_{0};
  std::unique_ptr<step_ledger> ledger_;
  std::map<worker_id, worker> workers_;
  std::map<worker_id, trainer> trainers_;
  std::vector<waiting_caller> callers_;
  worker_id last_leased_;
  double started_ = 0;
  int64_t retries_ = 0;
  int64_t recomputed_ = 0;
  // Who has not answered yet; the dead never will, so they are taken out when they are seen to go.
  std::set<worker_id> dropping_;
  std::set<std::pair<worker_id, step_id>> uncommitted_;
  // Until they announce themselves again.
  std::set<worker_id> diverged_;
  uint32_t failed_reduces_ = 0;  ///< of this step, other than by a death
  bool gather_later_ = false;
};

}  // namespace

coordinator_actor spawn_coordinator(caf::actor_system& system, coordinator_options options) {
  return system.spawn<coordinator>(std::move(options));
}

}  // namespace swarm::training
