#include "actors/rebalancing/rebalancer.hpp"

#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "actors/actor_body.hpp"
#include "actors/rebalancing/question.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/wire/messages.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::rebalancing {

swarm_view view_of(const std::vector<stage_record>& stages,
                   const std::vector<heard_member>& members, seconds now) {
  swarm_view view;
  view.stages = stages;
  std::map<peer_id, worker_record> latest;
  for (const auto& [m, told] : members) {
    if (m.role != wire::member_role::stage_worker) continue;
    worker_record record;
    record.id = m.id;
    record.stage = m.stage;
    record.state =
        m.state == wire::member_state::serving ? worker_state::serving : worker_state::joining;
    record.microbatches_per_second = m.rate;
    record.queue_length = m.queue;
    record.age = now - told;
    const auto [known, added] = latest.emplace(m.id.peer, record);
    if (!added && known->second.id < m.id) known->second = record;
  }
  for (auto& [peer, record] : latest)
    view.workers.push_back(record);
  return view;
}

namespace {

class rebalancer final : public actor_body<rebalancer_actor::base> {
 public:
  static constexpr const char* name = "rebalancer";

  rebalancer(pointer self, rebalancer_options options)
      : actor_body(self),
        options_(std::move(options)),
        policy_(make_policy(options_.policy, options_.seed, options_.settings)) {}

  behavior_type make_behavior() {
    send(options_.directory, wire::subscribe_atom::value, caf::actor_cast<caf::actor>(ctrl()));
    delayed_send(self(), options_.look_period, look_atom::value);
    return {[this](const wire::roster_update& m) { on_roster(m); },
            [this](look_atom) {
              delayed_send(self(), options_.look_period, look_atom::value);
              look();
            }};
  }

 private:
  void on_roster(const wire::roster_update& update) {
    for (const auto& id : update.gone)
      members_.erase(id);
    for (const auto& m : update.changed)
      members_[m.id] = {m, now()};
    observe_leader();
  }

  /// Ends a question that will have no answer.
  void observe_leader() {
    if (!question_.open()) return;
    const auto* leads = leader();
    question_.observe(leads != nullptr ? std::optional<worker_id>{leads->id} : std::nullopt,
                      step_id{leads != nullptr ? leads->version : 0});
    if (!question_.open()) policy_->refused(now());
  }

  /// The latest life of this peer's worker.
  const wire::member* own_worker() const {
    const wire::member* found = nullptr;
    for (const auto& [id, m] : members_)
      if (id.peer == options_.id && m.what.role == wire::member_role::stage_worker) found = &m.what;
    return found;
  }

  /// One that was replaced and has not noticed has a lower term.
  const wire::member* leader() const {
    const wire::member* found = nullptr;
    for (const auto& [id, m] : members_)
      if (m.what.role == wire::member_role::coordinator &&
          m.what.state == wire::member_state::serving &&
          (found == nullptr || found->term < m.what.term))
        found = &m.what;
    return found;
  }

  void look() {
    const auto* me = own_worker();
    if (question_.open() || me == nullptr) return;
    std::vector<heard_member> all;
    for (const auto& [id, m] : members_)
      all.push_back(m);
    const auto wish = policy_->decide(view_of(options_.stages, all, now()), me->id, now());
    if (!wish) return;
    const auto* asked = leader();
    if (asked == nullptr || !me->replicator) return policy_->refused(now());
    ask(*wish, *asked, caf::actor_cast<wire::replicator_actor>(me->replicator));
  }

  void ask(const move& wish, const wire::member& leader, const wire::replicator_actor& replicator) {
    const auto serial = question_.ask(leader.id, step_id{leader.version});
    wire::builder<schemas::MoveRequest> message;
    wire::to_wire(wish.who, message->initWorker());
    message->setFrom(static_cast<uint32_t>(wish.from.value()));
    message->setTo(static_cast<uint32_t>(wish.to.value()));
    request(caf::actor_cast<wire::coordinator_inbox>(leader.handle), caf::infinite,
            message.finish())
        .then(
            [=](const wire::move_answer& m) {
              if (!question_.answered(serial)) return;
              const auto* me = own_worker();
              const bool granted =
                  !m.fault() && m.read()->getVerdict() == schemas::MoveAnswer::Verdict::GRANTED;
              // Another life holds no grant.
              if (!granted || me == nullptr || !(me->id == wish.who))
                return policy_->refused(now());
              carry_out(wish, term_id{m.read()->getTerm()}, replicator);
            },
            [=](caf::error&) {
              if (question_.answered(serial)) policy_->refused(now());
            });
  }

  void carry_out(const move& wish, term_id term, const wire::replicator_actor& replicator) {
    if (options_.telemetry)
      caf::anon_send(options_.telemetry,
                     telemetry::event{"rebalanced",
                                      {{"peer", static_cast<int64_t>(wish.who.peer.value())},
                                       {"from", int64_t{wish.from.value()}},
                                       {"to", int64_t{wish.to.value()}}}});
    wire::builder<schemas::MoveOrder> order;
    order->setTerm(term.value());
    order->setStage(static_cast<uint32_t>(wish.to.value()));
    request(replicator, caf::infinite, order.finish())
        .then([](const wire::move_done&) {}, [](caf::error&) {});
  }

  rebalancer_options options_;
  std::unique_ptr<rebalance_policy> policy_;
  std::map<worker_id, heard_member> members_;
  question question_;
};

}  // namespace

rebalancer_actor spawn_rebalancer(caf::actor_system& system, rebalancer_options options) {
  return system.spawn<embodied<rebalancer>>(std::move(options));
}

}  // namespace swarm::rebalancing
