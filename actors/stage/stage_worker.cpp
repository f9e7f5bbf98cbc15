#include "actors/stage/stage_worker.hpp"

#include <caf/send.hpp>
#include <utility>
#include <vector>

#include "actors/actor_body.hpp"
#include "actors/invariant.hpp"
#include "actors/stage/donor.hpp"
#include "actors/stage/errc.hpp"
#include "actors/stage/joiner.hpp"
#include "actors/stage/leader_watch.hpp"
#include "actors/stage/pipeline.hpp"
#include "actors/stage/replies.hpp"
#include "actors/stage/restorer.hpp"
#include "actors/stage/step_orders.hpp"

namespace swarm::stage {

namespace {

class stage_worker final : public actor_body<full_worker_actor::base>, private worker_host {
 public:
  static constexpr const char* name = "stage_worker";

  stage_worker(pointer self, stage_worker_options options)
      : actor_body(self),
        options_(std::move(options)),
        guard_(step_id{0}),
        pipeline_(*this, options_),
        donor_(*this, options_),
        joiner_(*this, options_),
        orders_(*this, options_, pipeline_, donor_, joiner_),
        restorer_(*this, options_) {}

  behavior_type make_behavior() {
    send(options_.directory, wire::subscribe_atom::value, self_handle());
    if (options_.start == start_mode::fresh) {
      serve("", false);
    } else if (!joiner_.resume()) {
      announce(wire::member_state::joining);
      lives(life_event::fetch);
      joiner_.start(false, {});
    }
    if (options_.announce_period.count() > 0)
      delayed_send(self(), options_.announce_period, tick_atom::value);
    return {[this](const wire::forward& m) { return pipeline_.on_forward(m); },
            [this](const wire::backward& m) { return pipeline_.on_backward(m); },
            [this](const wire::loss& m) { return pipeline_.on_loss(m); },
            [this](const wire::cancel& m) { pipeline_.on_cancel(m); },
            [this](const wire::infer& m) { return pipeline_.on_infer(m); },
            [this](const wire::gather& m) { return orders_.on_gather(m); },
            [this](const wire::drop& m) { return orders_.on_drop(m); },
            [this](const wire::reduce& m) { return orders_.on_reduce(m); },
            [this](const wire::commit& m) { return orders_.on_commit(m); },
            [this](const wire::take_over& m) { return orders_.on_take_over(m); },
            [this](const wire::restore& m) { return on_restore(m); },
            [this](const wire::state_request& m) { return on_state_request(m); },
            [this](const wire::pre_vote& m) { return on_pre_vote(m); },
            [this](const wire::beat& m) { on_beat(m); },
            [this](const wire::roster_update& m) { on_roster(m); },
            [this](hold_atom, uint64_t poll) { orders_.on_hold(poll); },
            [this](fetch_atom) { restorer_.on_wake(), joiner_.on_wake(); },
            [this](tick_atom) { on_tick(); }};
  }

 private:
  caf::actor self_handle() { return caf::actor_cast<caf::actor>(ctrl()); }

  // -- who leads ----------------------------------------------------------------------------

  void on_roster(const wire::roster_update& update) {
    for (const auto& id : update.gone)
      leader_.gone(id);
    for (const auto& m : update.changed)
      if (m.role == wire::member_role::coordinator)
        leader_.announced(m.id, term_id{m.term}, m.state == wire::member_state::serving);
    restorer_.on_roster(update);
    joiner_.on_roster(update);
  }

  void on_beat(const wire::beat& m) {
    if (m.fault()) return;
    const term_id term{m.read()->getTerm()};
    if (!guard_.take_over(term)) leader_.heard(term, now_s());
  }

  caf::result<wire::vote> on_pre_vote(const wire::pre_vote& m) {
    if (auto fault = m.fault()) return damaged(*fault);
    const double patience_s = m.read()->getPatienceMs() / 1'000.0;
    wire::builder<schemas::Vote> vote;
    vote->setGranted(!leader_.leads_now(now_s(), patience_s));
    vote->setTerm(guard_.term().value());
    return vote.finish();
  }

  // -- worker_host --------------------------------------------------------------------------

  full_worker_actor::pointer self() override { return actor_body::self(); }

  step_guard& guard() override { return guard_; }

  void report(const char* what, std::vector<telemetry::field> fields = {}) override {
    if (!options_.telemetry) return;
    fields.insert(fields.begin(), {{"stage", int64_t{options_.stage.value()}},
                                   {"peer", static_cast<int64_t>(options_.id.peer.value())}});
    caf::anon_send(options_.telemetry, telemetry::event{what, std::move(fields)});
  }

  void keep(stored_sum sum) override { donor_.keep(std::move(sum)); }

  void announce(wire::member_state state) override {
    wire::member me;
    me.role = wire::member_role::stage_worker;
    me.id = options_.id;
    me.stage = options_.stage;
    me.state = state;
    me.version = guard_.version().value();
    me.history = guard_.history().value();
    me.handle = self_handle();
    me.averager = caf::actor_cast<caf::actor>(options_.averager);
    me.replicator = options_.replicator;
    me.rate = pipeline_.meter().rate();
    me.queue = pipeline_.meter().queue();
    send(options_.directory, wire::announce_atom::value, me);
  }

  const worker_life& life() const override { return life_; }

  void lives(life_event event) override {
    const auto outcome = life_.on(event);
    SWARM_INVARIANT(outcome != worker_life::outcome::refused,
                    "a worker's life goes as its table says");
  }

  void serve(std::string weights_hash, bool copy) override {
    lives(life_event::ready);
    orders_.made(std::move(weights_hash));
    announce(wire::member_state::serving);
    report("serving", {{"version", guard_.version().value()}});
    donor_.leave(copy || guard_.version() == step_id{0}, [] {});
    pipeline_.retry_waiting();
  }

  void known_as(history_names also) override { donor_.known_as(std::move(also)); }

  void fall_back(const char* why, weights_id wanted) override {
    if (!life_.serving() || !joiner_.has_donors()) return;
    report("refetch", {{"why", std::string{why}}, {"version", guard_.version().value()}});
    lives(life_event::fetch);
    give_state_up();
    joiner_.start(true, wanted);
    pipeline_.retry_waiting();
  }

  /// The engine's state is going to be replaced.
  void give_state_up() {
    pipeline_.forget_sum();
    orders_.stop();
    announce(wire::member_state::joining);
  }

  caf::error damaged(wire::errc fault) override {
    report("damaged_frame", {{"fault", std::string{wire::to_sentence(fault)}}});
    return make_error(fault);
  }

  // -- state --------------------------------------------------------------------------------

  promise<wire::state_chunk> on_state_request(const wire::state_request& m) {
    auto reply = make_response_promise<promise<wire::state_chunk>>();
    if (auto fault = m.fault()) return reply.deliver(damaged(*fault));
    if (m.read()->getStage() != static_cast<uint32_t>(options_.stage.value()))
      return reply.deliver(make_error(guard_.because(refusal_reason::not_serving)));
    if (life_.serving()) {
      donor_.answer(m, reply);
    } else if (const auto* restored = restorer_.fetched()) {
      donor_.answer_from(*restored, restorer_.made_by(), m, reply);
    } else if (const auto* fetched = joiner_.fetched()) {
      donor_.answer_from(*fetched, joiner_.made_by(), m, reply);
    } else {
      reply.deliver(make_error(guard_.because(refusal_reason::not_serving)));
    }
    return reply;
  }

  /// Back to an earlier version; where it is at that version already, what it holds counts.
  promise<wire::position> on_restore(const wire::restore& m) {
    auto reply = make_response_promise<promise<wire::position>>();
    if (auto fault = m.fault()) return reply.deliver(damaged(*fault));
    const auto body = m.read();
    if (auto why = guard_.take_over(term_id{body->getTerm()}))
      return reply.deliver(make_error(*why));
    const weights_id wanted{history_id{body->getHistory()}, step_id{body->getVersion()}};
    if (life_.serving() && donor_.has(wanted)) {
      begin_history(history_id{body->getTerm()});
      return reply.deliver(position_of(options_.id, options_.stage, guard_));
    }
    if (life_.state() == life_state::restoring && restorer_.joins(m, reply)) return reply;
    const bool served = life_.serving();
    lives(life_event::restore);
    joiner_.stop();
    if (served) give_state_up();
    restorer_.start(
        m, [this, wanted] { fetch_instead(wanted); }, reply);
    return reply;
  }

  /// The weights stay; what is made of them from here on is another history.
  void begin_history(history_id begins) {
    if (begins <= guard_.history()) return;
    auto names = with_name(donor_.names(), guard_.history());
    guard_.belongs_to(begins);
    donor_.known_as(std::move(names));
    announce(wire::member_state::serving);
    donor_.leave(true, [] {});
  }

  /// Nobody has a copy of what the coordinator has named.
  void fetch_instead(weights_id wanted) {
    lives(life_event::none);
    joiner_.start(false, {guard_.history(), wanted.version});
  }

  void on_tick() {
    delayed_send(self(), options_.announce_period, tick_atom::value);
    if (life_.serving()) announce(wire::member_state::serving);
  }

  stage_worker_options options_;
  step_guard guard_;
  leader_watch leader_;
  worker_life life_;
  pipeline pipeline_;
  donor donor_;
  joiner joiner_;
  step_orders orders_;
  restorer restorer_;
};

}  // namespace

wire::stage_worker_actor spawn_stage_worker(caf::actor_system& system,
                                            stage_worker_options options) {
  return system.spawn<embodied<stage_worker>>(std::move(options));
}

}  // namespace swarm::stage
