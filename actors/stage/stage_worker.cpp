#include "actors/stage/stage_worker.hpp"

#include <caf/send.hpp>
#include <functional>
#include <set>
#include <type_traits>
#include <utility>
#include <vector>

#include "actors/invariant.hpp"
#include "actors/planted_bug.hpp"
#include "actors/stage/commit_answers.hpp"
#include "actors/stage/donor.hpp"
#include "actors/stage/errc.hpp"
#include "actors/stage/joiner.hpp"
#include "actors/stage/rate_meter.hpp"
#include "actors/stage/replies.hpp"
#include "actors/stage/restorer.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::stage {

namespace {

/// In forwards; the last stage's loss has its forward in it.
constexpr double forward_work = 1;

class stage_worker final : public full_worker_actor::base, private worker_host {
 public:
  stage_worker(caf::actor_config& cfg, stage_worker_options options)
      : full_worker_actor::base(cfg),
        options_(std::move(options)),
        guard_(step_id{0}),
        answers_(options_.id),
        donor_(*this, options_),
        joiner_(*this, options_),
        restorer_(*this, options_) {}

  const char* name() const override { return "stage_worker"; }

  // A terminated actor lives on until nobody holds it, so whom it holds must go now.
  void on_exit() override {
    options_ = {};
    waiting_.clear();
    drained_.clear();
    answers_.clear();
    joiner_.clear();
    restorer_.clear();
    donor_.clear();
  }

  behavior_type make_behavior() override {
    send(options_.directory, wire::subscribe_atom::value, self_handle());
    if (options_.start == start_mode::fresh) {
      serve("");
    } else if (!joiner_.resume()) {
      announce(wire::member_state::joining);
      joiner_.start(false, step_id{0});
    }
    if (options_.announce_period.count() > 0)
      delayed_send(this, options_.announce_period, tick_atom::value);
    return {[this](const wire::forward& m) { return on_forward(m); },
            [this](const wire::backward& m) { return on_backward(m); },
            [this](const wire::loss& m) { return on_loss(m); },
            [this](const wire::infer& m) { return on_infer(m); },
            [this](const wire::gather& m) { return on_gather(m); },
            [this](const wire::drop& m) { return on_drop(m); },
            [this](const wire::reduce& m) { return on_reduce(m); },
            [this](const wire::commit& m) { return on_commit(m); },
            [this](const wire::take_over& m) { return on_take_over(m); },
            [this](const wire::restore& m) { return on_restore(m); },
            [this](const wire::state_request& m) { return on_state_request(m); },
            [this](const wire::roster_update& m) { restorer_.on_roster(m), joiner_.on_roster(m); },
            [this](fetch_atom) { joiner_.on_fetch(); },
            [this](tick_atom) { on_tick(); }};
  }

 private:
  double now_s() { return std::chrono::duration<double>(clock().now().time_since_epoch()).count(); }

  caf::actor self_handle() { return caf::actor_cast<caf::actor>(ctrl()); }

  // -- worker_host --------------------------------------------------------------------------

  full_worker_actor::pointer self() override { return this; }

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
    me.handle = self_handle();
    me.averager = caf::actor_cast<caf::actor>(options_.averager);
    me.steward = options_.steward;
    me.rate = meter_.rate();
    me.queue = meter_.queue();
    send(options_.directory, wire::announce_atom::value, me);
  }

  void serve(std::string weights_hash) override {
    serving_ = true;
    answers_.made(guard_.version(), std::move(weights_hash), donor_.kept());
    announce(wire::member_state::serving);
    report("serving", {{"version", guard_.version().value()}});
    donor_.leave(guard_.version() == step_id{0}, [] {});
    retry_waiting();
  }

  /// This worker cannot follow any more: it was left out of a commit, and the others are at
  /// `wanted`. The last one of its stage goes on, since nobody has anything newer.
  void fall_back(const char* why, step_id wanted) {
    if (!serving_ || !joiner_.has_donors()) return;
    report("refetch", {{"why", std::string{why}}, {"version", guard_.version().value()}});
    stop_serving();
    joiner_.start(true, wanted);
    retry_waiting();
  }

  /// The engine's state is going to be replaced.
  void stop_serving() {
    serving_ = false;
    ++states_;
    in_sum_.clear();
    answers_.refuse(guard_.because(refusal_reason::not_serving));
    announce(wire::member_state::joining);
  }

  // -- pipeline -----------------------------------------------------------------------------

  std::optional<refusal> unavailable() const {
    if (!serving_) return guard_.because(refusal_reason::not_serving);
    if (pending_ >= pending_requests_max) return guard_.because(refusal_reason::overloaded);
    return std::nullopt;
  }

  /// Refuses, or answers through the compute actor. `again` repeats the whole call; it is kept
  /// while the commit that the sender has already seen is still on its way to us.
  template <class Reply, class Ask>
  void admit(std::optional<refusal> why, step_id step, promise<Reply> reply,
             std::function<void()> again, Ask&& ask) {
    if (!why || !serving_) why = unavailable();
    if (!why) {
      ++pending_;
      return ask();
    }
    if (why->reason == refusal_reason::behind && waiting_.size() < pending_requests_max) {
      if (guard_.may_follow()) {
        waiting_.push_back(std::move(again));
        return;
      }
      fall_back("missed a commit", step);
    }
    reply.deliver(make_error(*why));
  }

  void retry_waiting() {
    for (auto& again : std::exchange(waiting_, {}))
      again();
  }

  /// A request went to the compute actor and came back.
  void settled() {
    --pending_;
    if (accumulating_ == 0)
      for (auto& answer : std::exchange(drained_, {}))
        answer();
  }

  /// Sends an admitted request that changes nothing.
  template <class Reply, class... Args>
  void relay(promise<Reply> reply, const Args&... args) {
    meter_.begin(now_s());
    request(options_.compute, caf::infinite, args...)
        .then(
            [this, reply](const Reply& result) mutable {
              meter_.end(now_s(), forward_work);
              settled();
              reply.deliver(result);
            },
            [this, reply](caf::error& error) mutable {
              meter_.end(now_s(), 0);
              settled();
              reply.deliver(std::move(error));
            });
  }

  /// Sends an admitted request that may change the gradient sum.
  template <class Reply, class Request>
  void accumulate(const Request& m, microbatch_id index, int asked, promise<Reply> reply) {
    int weight = guard_.effective_weight(index, asked);
    // Two copies of one request may be at the engine at once; only one of them counts.
    if (weight != 0 && !in_sum_.insert(index).second && !planted(planted_bug::set_without_dedupe))
      weight = 0;
    if (weight != 0) ++accumulating_;
    meter_.begin(now_s());
    const auto done = [this, index, weight, state = states_](bool counted) {
      const bool had_forward = std::is_same_v<Request, wire::backward>;
      const double work = microbatch_work - (had_forward ? forward_work : 0);
      meter_.end(now_s(), counted ? work : 0);
      if (weight != 0) {
        --accumulating_;
        // Another state has been, or will be, loaded over what it was added to.
        if (state == states_) {
          in_sum_.erase(index);
          if (counted) guard_.accumulated(index, weight);
        }
      }
      settled();
    };
    request(options_.compute, caf::infinite, m, weight)
        .then(
            [done, reply](const Reply& result) mutable {
              done(true);
              reply.deliver(result);
            },
            [done, reply](caf::error& error) mutable {
              done(false);
              reply.deliver(std::move(error));
            });
  }

  promise<wire::activation> on_forward(const wire::forward& m) {
    auto reply = make_response_promise<promise<wire::activation>>();
    serve_forward(m, reply);
    return reply;
  }

  void serve_forward(const wire::forward& m, promise<wire::activation> reply) {
    if (auto fault = m.fault()) return static_cast<void>(reply.deliver(damaged(*fault)));
    const auto ticket = wire::from_wire(m.read()->getTicket());
    admit(
        guard_.admit_read(ticket.term, ticket.step), ticket.step, reply,
        [=] { serve_forward(m, reply); }, [&] { relay(reply, m); });
  }

  promise<wire::input_gradient> on_backward(const wire::backward& m) {
    auto reply = make_response_promise<promise<wire::input_gradient>>();
    serve_accumulating(m, reply);
    return reply;
  }

  promise<wire::loss_done> on_loss(const wire::loss& m) {
    auto reply = make_response_promise<promise<wire::loss_done>>();
    serve_accumulating(m, reply);
    return reply;
  }

  template <class Request, class Reply>
  void serve_accumulating(const Request& m, promise<Reply> reply) {
    if (auto fault = m.fault()) return static_cast<void>(reply.deliver(damaged(*fault)));
    const auto body = m.read();
    const auto ticket = wire::from_wire(body->getTicket());
    const int weight = body->getWeight();
    if (weight < -1 || weight > 1 || ticket.microbatch < microbatch_id{0} ||
        ticket.microbatch >= microbatch_id{microbatches_max})
      return static_cast<void>(reply.deliver(damaged(wire::errc::malformed)));
    admit(
        guard_.admit_accumulate(ticket.term, ticket.step, ticket.round), ticket.step, reply,
        [=] { serve_accumulating(m, reply); },
        [&] { accumulate(m, ticket.microbatch, weight, reply); });
  }

  caf::error damaged(wire::errc fault) {
    report("damaged_frame", {{"fault", std::string{wire::to_sentence(fault)}}});
    return make_error(fault);
  }

  promise<wire::inferred> on_infer(const wire::infer& m) {
    auto reply = make_response_promise<promise<wire::inferred>>();
    if (auto fault = m.fault()) return reply.deliver(damaged(*fault));
    if (auto why = unavailable()) return reply.deliver(make_error(*why));
    ++pending_;
    relay(reply, m, guard_.version().value());
    return reply;
  }

  // -- the step transaction -----------------------------------------------------------------

  /// Runs `answer` once nothing that was admitted before can still change the sum.
  void when_drained(std::function<void()> answer) {
    if (accumulating_ == 0) return answer();
    drained_.push_back(std::move(answer));
  }

  /// Answers and returns true when the order is not to be carried out.
  template <class Reply>
  bool refused(std::optional<refusal> why, step_id step, promise<Reply>& reply) {
    if (why && why->reason == refusal_reason::behind) fall_back("missed a commit", step);
    if (!serving_) why = guard_.because(refusal_reason::not_serving);
    if (why) reply.deliver(make_error(*why));
    return why.has_value();
  }

  promise<wire::standing> on_take_over(const wire::take_over& m) {
    auto reply = make_response_promise<promise<wire::standing>>();
    if (auto fault = m.fault()) return reply.deliver(damaged(*fault));
    auto why = guard_.take_over(term_id{m.read()->getTerm()});
    if (!why && !serving_) why = guard_.because(refusal_reason::not_serving);
    if (why) return reply.deliver(make_error(*why));
    return reply.deliver(standing_of(options_.id, options_.stage, guard_));
  }

  promise<wire::holding> on_gather(const wire::gather& m) {
    auto reply = make_response_promise<promise<wire::holding>>();
    if (auto fault = m.fault()) return reply.deliver(damaged(*fault));
    const auto when = wire::epoch_of(*m.read());
    if (refused(guard_.gather(when.term, when.step, when.round), when.step, reply)) return reply;
    when_drained([this, reply, when]() mutable {
      // A later gather, or a commit, has come meanwhile.
      if (refused(guard_.gather(when.term, when.step, when.round), when.step, reply)) return;
      reply.deliver(holding_of(options_.id, guard_.version(), when.round, guard_.held()));
    });
    return reply;
  }

  promise<wire::holding> on_drop(const wire::drop& m) {
    auto reply = make_response_promise<promise<wire::holding>>();
    if (auto fault = m.fault()) return reply.deliver(damaged(*fault));
    const auto when = wire::epoch_of(*m.read());
    if (refused(guard_.gather(when.term, when.step, when.round), when.step, reply)) return reply;
    when_drained([this, reply, when]() mutable {
      if (auto why = guard_.drop(when.term, when.step, when.round))
        return static_cast<void>(reply.deliver(make_error(*why)));
      request(options_.compute, caf::infinite, clear_atom::value)
          .then(
              [this, reply, when](bool) mutable {
                reply.deliver(holding_of(options_.id, guard_.version(), when.round, guard_.held()));
              },
              [reply](caf::error& error) mutable { reply.deliver(std::move(error)); });
    });
    return reply;
  }

  promise<wire::reduced> on_reduce(const wire::reduce& m) {
    auto reply = make_response_promise<promise<wire::reduced>>();
    if (auto fault = m.fault()) return reply.deliver(damaged(*fault));
    if (joiner_.following()) {
      joiner_.on_reduce(m, reply);
      return reply;
    }
    const auto when = wire::epoch_of(*m.read());
    // Ordered while it was still a follower: what it holds by now does not count.
    if (!contributes(options_.id, m)) guard_.gather(when.term, when.step, when.round);
    if (refused(guard_.reduce(when.term, when.step, when.round), when.step, reply)) return reply;
    const auto fail = [reply](caf::error& error) mutable { reply.deliver(std::move(error)); };
    const auto counted = m.read()->getCounted();
    when_drained([=]() mutable {
      request(options_.compute, caf::infinite, sum_atom::value)
          .then(
              [=](const tensors::host_tensor& sum) {
                request(options_.averager, caf::infinite, m, sum)
                    .then(
                        [=](const tensors::host_tensor& total, const std::string& hash) mutable {
                          take_reduced(when, total,
                                       {attempt_id{when.term, when.round}, hash, 0, counted},
                                       reply);
                        },
                        fail);
              },
              fail);
    });
    return reply;
  }

  void take_reduced(wire::epoch when, const tensors::host_tensor& total, reduced_sum sum,
                    promise<wire::reduced> reply) {
    if (auto why = guard_.reduce(when.term, when.step, when.round))
      return static_cast<void>(reply.deliver(make_error(*why)));
    guard_.reducing(sum.attempt);
    request(options_.compute, caf::infinite, reduced_atom::value, total)
        .then(
            [=](double squared_norm) mutable {
              // A later gather has reopened the step: this result is void.
              if (auto why = guard_.reduce(when.term, when.step, when.round))
                return static_cast<void>(reply.deliver(make_error(*why)));
              sum.squared_norm = squared_norm;
              guard_.reduced(sum);
              keep({when.step, sum, total});
              reply.deliver(reduced_of(options_.id, when, sum));
            },
            [reply](caf::error& error) mutable { reply.deliver(std::move(error)); });
  }

  promise<wire::committed> on_commit(const wire::commit& m) {
    auto reply = make_response_promise<promise<wire::committed>>();
    if (auto fault = m.fault()) return reply.deliver(damaged(*fault));
    if (joiner_.following()) {
      joiner_.on_commit(m, reply);
      return reply;
    }
    const auto body = m.read();
    const auto when = wire::epoch_of(*body);
    const attempt_id attempt{term_id{body->getReducedTerm()}, when.round};
    if (is_repeat(when, attempt)) {
      if (planted(planted_bug::commit_applied_twice)) apply(when.step, body->getScale(), 0, false);
      answers_.answer(guard_, reply);
      return reply;
    }
    auto why = guard_.commit(when.term, when.step, attempt);
    // Only a confused coordinator leases a later round and then commits this one.
    if (!why && accumulating_ > 0) why = guard_.because(refusal_reason::wrong_round);
    // The stage commits without this worker.
    else if (why && why->reason == refusal_reason::wrong_round)
      fall_back("missed a reduce", when.step.next());
    if (refused(why, when.step, reply)) return reply;
    donor_.pin(m);
    apply(when.step, body->getScale(), body->getCounted(), body->getKeep());
    answers_.answer(guard_, reply);
    return reply;
  }

  bool is_repeat(const wire::epoch& when, attempt_id attempt) {
    return serving_ && !guard_.take_over(when.term) && when.step.next() == guard_.version() &&
           guard_.committed().attempt == attempt;
  }

  void apply(step_id step, double scale, uint32_t counted, bool keep) {
    request(options_.compute, caf::infinite, apply_atom::value, step.value(), scale)
        .then(
            [this, keep, version = step.next(), state = states_](const std::string& hash) {
              // Another state may be on its way into the engine.
              if (state == states_)
                donor_.leave(keep, [=] { answers_.made(version, hash, donor_.kept()); });
            },
            [this](caf::error& error) { quit(std::move(error)); });
    // The compute actor works in order, so whatever is admitted from here on sees the new weights.
    guard_.commit_applied(scale, counted);
    retry_waiting();
  }

  // -- state --------------------------------------------------------------------------------

  promise<wire::state_chunk> on_state_request(const wire::state_request& m) {
    auto reply = make_response_promise<promise<wire::state_chunk>>();
    if (auto fault = m.fault()) return reply.deliver(damaged(*fault));
    if (!serving_ || m.read()->getStage() != static_cast<uint32_t>(options_.stage.value()))
      return reply.deliver(make_error(guard_.because(refusal_reason::not_serving)));
    donor_.answer(m, reply);
    return reply;
  }

  /// Back to an earlier version; where it is at that version already, what it holds counts.
  promise<wire::standing> on_restore(const wire::restore& m) {
    auto reply = make_response_promise<promise<wire::standing>>();
    if (auto fault = m.fault()) return reply.deliver(damaged(*fault));
    const auto body = m.read();
    if (auto why = guard_.take_over(term_id{body->getTerm()}))
      return reply.deliver(make_error(*why));
    if (serving_ && guard_.version() == step_id{body->getVersion()})
      return reply.deliver(standing_of(options_.id, options_.stage, guard_));
    if (restorer_.repeats(m, reply)) return reply;
    joiner_.stop();
    stop_serving();
    restorer_.start(
        m, [this, version = step_id{body->getVersion()}] { joiner_.start(false, version); }, reply);
    return reply;
  }

  void on_tick() {
    delayed_send(this, options_.announce_period, tick_atom::value);
    if (serving_) announce(wire::member_state::serving);
  }

  stage_worker_options options_;
  step_guard guard_;
  bool serving_ = false;
  size_t pending_ = 0;
  size_t accumulating_ = 0;
  uint64_t states_ = 0;             ///< given up so far
  std::set<microbatch_id> in_sum_;  ///< at the compute actor with a weight
  std::vector<std::function<void()>> waiting_;
  std::vector<std::function<void()>> drained_;
  commit_answers answers_;
  rate_meter meter_;
  donor donor_;
  joiner joiner_;
  restorer restorer_;
};

}  // namespace

wire::stage_worker_actor spawn_stage_worker(caf::actor_system& system,
                                            stage_worker_options options) {
  return system.spawn<stage_worker>(std::move(options));
}

}  // namespace swarm::stage
