#include "actors/training/coordinator.hpp"

#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "actors/invariant.hpp"
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
            [this](gather_atom) { gather(); }, [this](expire_atom) { expire_leases(); }};
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
      } else if (m.role == wire::member_role::stage_worker) {
        if (m.state == wire::member_state::serving) {
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
    // Round robin over the trainers, so that none gets the whole batch.
    std::map<worker_id, std::vector<lease_item>> out;
    bool given = true;
    while (given && ledger_->waiting()) {
      given = false;
      for (const auto& [id, t] : trainers_) {
        if (ledger_->leased_to(id) >= t.capacity) continue;
        auto item = ledger_->lease(id, now());
        if (!item) break;
        out[id].push_back(*item);
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
    const auto outcome = static_cast<lease_outcome>(done->getOutcome());
    if (outcome > lease_outcome::returned) return;
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

  void gather() {
    gather_later_ = false;
    if (!ledger_) return;
    std::map<worker_id, stage_id> asked;
    for (const auto& [id, w] : workers_)
      asked[id] = w.stage;
    ledger_->open_gather(asked);
    wire::builder<schemas::Gather> message;
    wire::set_epoch(*message, current());
    const auto ask = message.finish();
    for (const auto& [id, w] : workers_) {
      request(w.handle, options_.gather_timeout, ask)
          .then([this](const wire::holding& reply) { on_holding(reply); },
                [this, id = id, when = current()](caf::error&) { lost(id, when); });
    }
    progress();
  }

  void on_holding(const wire::holding& m) {
    if (m.fault() || !ledger_) return;
    const auto holding = m.read();
    if (step_id{holding->getStep()} != version_) return;
    const auto held = holding->getHeld();
    ledger_->report(wire::from_wire(holding->getWorker()), round_id{holding->getRound()},
                    {held.begin(), held.end()});
    progress();
  }

  /// A worker did not do its part of this round; an answer to an older round is no news.
  void lost(worker_id id, wire::epoch when) {
    if (!ledger_ || when.step != version_ || when.round != ledger_->round()) return;
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
            .then([this](const wire::reduced& reply) { on_reduced(reply); },
                  [this, id, when](caf::error&) { lost(id, when); });
      }
    }
  }

  void on_reduced(const wire::reduced& m) {
    if (m.fault() || !ledger_) return;
    const auto reduced = m.read();
    if (step_id{reduced->getStep()} != version_) return;
    const auto id = wire::from_wire(reduced->getWorker());
    if (!ledger_->reduced(id, round_id{reduced->getRound()}, reduced->getHash().cStr(),
                          reduced->getSquaredNorm()))
      report("reduce_mismatch",
             {{"step", version_.value()}, {"peer", static_cast<int64_t>(id.peer.value())}});
    if (ledger_->committable()) return commit();
    progress();
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
              [this, hashes, stage = w.stage, done](const wire::committed& reply) {
                compare_hashes(reply, *hashes, stage);
                done();
              },
              [done](caf::error&) { done(); });
    }
    report_step(norm_squared);
    version_ = version_.next();
    answer_callers();
    begin_step();
  }

  static void compare_hashes(const wire::committed& m, std::map<stage_id, std::string>& hashes,
                             stage_id stage) {
    if (m.fault()) return;
    const std::string hash = m.read()->getWeightsHash().cStr();
    SWARM_INVARIANT(hashes.emplace(stage, hash).first->second == hash,
                    "replicas of a stage at one version have one hash");
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
  double started_ = 0;
  int64_t retries_ = 0;
  int64_t recomputed_ = 0;
  // Who has not answered yet; the dead never will, so they are taken out when they are seen to go.
  std::set<worker_id> dropping_;
  std::set<std::pair<worker_id, step_id>> uncommitted_;
  bool gather_later_ = false;
};

}  // namespace

coordinator_actor spawn_coordinator(caf::actor_system& system, coordinator_options options) {
  return system.spawn<coordinator>(std::move(options));
}

}  // namespace swarm::training
