#include "actors/stage/stage_worker.hpp"

#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "actors/invariant.hpp"
#include "actors/stage/errc.hpp"
#include "actors/stage/replies.hpp"
#include "actors/stage/state_fetch.hpp"
#include "actors/stage/state_transfer.hpp"
#include "actors/stage/step_guard.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::stage {

namespace {

using fetch_atom = caf::atom_constant<caf::atom("fetch")>;

using full_actor = wire::stage_worker_actor::extend<caf::reacts_to<wire::roster_update>,
                                                    caf::reacts_to<fetch_atom>>;

class stage_worker final : public full_actor::base {
 public:
  stage_worker(caf::actor_config& cfg, stage_worker_options options)
      : full_actor::base(cfg), options_(std::move(options)), guard_(step_id{0}) {}

  const char* name() const override { return "stage_worker"; }

  // A terminated actor lives on until nobody holds it, so whom it holds must go now.
  void on_exit() override {
    options_ = {};
    waiting_.clear();
    drained_.clear();
    fetch_ = {};
    snapshots_ = {};
  }

  behavior_type make_behavior() override {
    send(options_.directory, wire::subscribe_atom::value, self_handle());
    if (options_.start == start_mode::fresh) {
      serve_from(step_id{0});
    } else {
      send(this, fetch_atom::value);
    }
    return {[this](const wire::forward& m) { return on_forward(m); },
            [this](const wire::backward& m) { return on_backward(m); },
            [this](const wire::loss& m) { return on_loss(m); },
            [this](const wire::infer& m) { return on_infer(m); },
            [this](const wire::gather& m) { return on_gather(m); },
            [this](const wire::drop& m) { return on_drop(m); },
            [this](const wire::reduce& m) { return on_reduce(m); },
            [this](const wire::commit& m) { return on_commit(m); },
            [this](const wire::state_request& m) { return on_state_request(m); },
            [this](const wire::roster_update& m) { on_roster(m); },
            [this](fetch_atom) { fetch(); }};
  }

 private:
  template <class Reply>
  using promise = caf::typed_response_promise<Reply>;

  caf::actor self_handle() { return caf::actor_cast<caf::actor>(ctrl()); }

  void report(const char* what, std::vector<telemetry::field> fields = {}) {
    if (!options_.telemetry) return;
    fields.insert(fields.begin(), {{"stage", int64_t{options_.stage.value()}},
                                   {"peer", static_cast<int64_t>(options_.id.peer.value())}});
    caf::anon_send(options_.telemetry, telemetry::event{what, std::move(fields)});
  }

  // -- announcing ---------------------------------------------------------------------------

  void announce(wire::member_state state) {
    wire::member me;
    me.role = wire::member_role::stage_worker;
    me.id = options_.id;
    me.stage = options_.stage;
    me.state = state;
    me.version = guard_.version().value();
    me.handle = self_handle();
    me.averager = caf::actor_cast<caf::actor>(options_.averager);
    send(options_.directory, wire::announce_atom::value, std::move(me));
  }

  void serve_from(step_id version) {
    guard_.advance(version);
    has_state_ = true;
    serve();
  }

  void serve() {
    serving_ = true;
    announce(wire::member_state::serving);
    report("serving", {{"version", guard_.version().value()}});
    retry_waiting();
  }

  /// This worker cannot follow any more: it was left out of a commit. The last one of its stage
  /// goes on, since nobody has anything newer.
  void fall_back(const char* why) {
    if (!serving_ || !fetch_.has_donors()) return;
    serving_ = false;
    report("refetch", {{"why", std::string{why}}, {"version", guard_.version().value()}});
    announce(wire::member_state::joining);
    retry_waiting();
    send(this, fetch_atom::value);
  }

  // -- pipeline -----------------------------------------------------------------------------

  refusal because(refusal_reason reason) const {
    return {reason, guard_.term(), guard_.version(), {}};
  }

  std::optional<refusal> unavailable() const {
    if (!serving_) return because(refusal_reason::not_serving);
    if (pending_ >= pending_requests_max) return because(refusal_reason::overloaded);
    return std::nullopt;
  }

  /// Refuses, or answers through the compute actor. `again` repeats the whole call; it is kept
  /// while the commit that the sender has already seen is still on its way to us.
  template <class Reply, class Ask>
  void admit(std::optional<refusal> why, promise<Reply> reply, std::function<void()> again,
             Ask&& ask) {
    if (!why || !serving_) why = unavailable();
    if (!why) {
      ++pending_;
      ask();
      return;
    }
    if (why->reason == refusal_reason::behind && waiting_.size() < pending_requests_max) {
      if (guard_.may_follow()) {
        waiting_.push_back(std::move(again));
        return;
      }
      fall_back("missed a commit");
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
    request(options_.compute, caf::infinite, args...)
        .then(
            [this, reply](const Reply& result) mutable {
              settled();
              reply.deliver(result);
            },
            [this, reply](caf::error& error) mutable {
              settled();
              reply.deliver(std::move(error));
            });
  }

  /// Sends an admitted request that may change the gradient sum.
  template <class Reply, class Request>
  void accumulate(const Request& m, microbatch_id index, int asked, promise<Reply> reply) {
    int weight = guard_.effective_weight(index, asked);
    // Two copies of one request may be at the engine at once; only one of them counts.
    if (weight != 0 && !in_sum_.insert(index).second) weight = 0;
    if (weight != 0) ++accumulating_;
    const auto version = guard_.version();
    const auto done = [this, index, weight, version](bool counted) {
      if (weight != 0) {
        --accumulating_;
        in_sum_.erase(index);
        SWARM_INVARIANT(version == guard_.version(), "no commit while gradients are being added");
        if (counted) guard_.accumulated(index, weight);
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
    serve(m, reply);
    return reply;
  }

  void serve(const wire::forward& m, promise<wire::activation> reply) {
    if (auto fault = m.fault()) return static_cast<void>(reply.deliver(damaged(*fault)));
    const auto ticket = wire::from_wire(m.read()->getTicket());
    admit(
        guard_.admit_read(ticket.term, ticket.step), reply, [=] { serve(m, reply); },
        [&] { relay(reply, m); });
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
        guard_.admit_accumulate(ticket.term, ticket.step, ticket.round), reply,
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

  wire::holding holding(round_id round) const {
    return holding_of(options_.id, guard_.version(), round, guard_.held());
  }

  /// Runs `answer` once nothing that was admitted before can still change the sum.
  void when_drained(std::function<void()> answer) {
    if (accumulating_ == 0) return answer();
    drained_.push_back(std::move(answer));
  }

  template <class Reply, class Request>
  bool refused(const Request& m, promise<Reply>& reply,
               std::optional<refusal> (step_guard::*check)(term_id, step_id, round_id)) {
    if (auto fault = m.fault()) {
      reply.deliver(damaged(*fault));
      return true;
    }
    const auto when = wire::epoch_of(*m.read());
    auto why = (guard_.*check)(when.term, when.step, when.round);
    if (why && why->reason == refusal_reason::behind) fall_back("missed a commit");
    // The stage commits without this worker.
    if (why && why->reason == refusal_reason::wrong_round && check == &step_guard::commit)
      fall_back("missed a reduce");
    if (!serving_) why = because(refusal_reason::not_serving);
    if (why) reply.deliver(make_error(*why));
    return why.has_value();
  }

  promise<wire::holding> on_gather(const wire::gather& m) {
    auto reply = make_response_promise<promise<wire::holding>>();
    if (refused(m, reply, &step_guard::gather)) return reply;
    const auto round = wire::epoch_of(*m.read()).round;
    when_drained([this, reply, round]() mutable { reply.deliver(holding(round)); });
    return reply;
  }

  promise<wire::holding> on_drop(const wire::drop& m) {
    auto reply = make_response_promise<promise<wire::holding>>();
    if (refused(m, reply, &step_guard::gather)) return reply;
    const auto when = wire::epoch_of(*m.read());
    when_drained([this, reply, when]() mutable {
      if (auto why = guard_.drop(when.term, when.step, when.round))
        return static_cast<void>(reply.deliver(make_error(*why)));
      request(options_.compute, caf::infinite, clear_atom::value)
          .then([this, reply, when](bool) mutable { reply.deliver(holding(when.round)); },
                [reply](caf::error& error) mutable { reply.deliver(std::move(error)); });
    });
    return reply;
  }

  promise<wire::reduced> on_reduce(const wire::reduce& m) {
    auto reply = make_response_promise<promise<wire::reduced>>();
    if (refused(m, reply, &step_guard::reduce)) return reply;
    const auto when = wire::epoch_of(*m.read());
    const auto fail = [reply](caf::error& error) mutable { reply.deliver(std::move(error)); };
    when_drained([=]() mutable {
      request(options_.compute, caf::infinite, sum_atom::value)
          .then(
              [=](const tensors::host_tensor& sum) {
                request(options_.averager, caf::infinite, m, sum)
                    .then(
                        [=](const tensors::host_tensor& total, const std::string& hash) mutable {
                          take_reduced(when, total, hash, reply);
                        },
                        fail);
              },
              fail);
    });
    return reply;
  }

  void take_reduced(wire::epoch when, const tensors::host_tensor& total, const std::string& hash,
                    promise<wire::reduced> reply) {
    if (auto why = guard_.reduce(when.term, when.step, when.round))
      return static_cast<void>(reply.deliver(make_error(*why)));
    guard_.reducing(when.round);
    request(options_.compute, caf::infinite, reduced_atom::value, total)
        .then(
            [=](double squared_norm) mutable {
              // A later gather has reopened the step: this result is void.
              if (auto why = guard_.reduce(when.term, when.step, when.round))
                return static_cast<void>(reply.deliver(make_error(*why)));
              guard_.reduced(when.round);
              reply.deliver(reduced_of(options_.id, when, hash, squared_norm));
            },
            [reply](caf::error& error) mutable { reply.deliver(std::move(error)); });
  }

  promise<wire::committed> on_commit(const wire::commit& m) {
    auto reply = make_response_promise<promise<wire::committed>>();
    if (refused(m, reply, &step_guard::commit)) return reply;
    const auto when = wire::epoch_of(*m.read());
    // Only a confused coordinator leases a later round and then commits this one.
    if (accumulating_ > 0) return reply.deliver(make_error(because(refusal_reason::wrong_round)));
    // The compute actor works in order, so whatever is admitted from here on sees the new weights.
    const auto version = when.step.next();
    request(options_.compute, caf::infinite, apply_atom::value, when.step.value(),
            m.read()->getScale())
        .then(
            [=](const std::string& hash) mutable {
              reply.deliver(committed_of(options_.id, version, hash));
            },
            [=](caf::error& error) mutable {
              reply.deliver(error);
              quit(std::move(error));
            });
    guard_.advance(version);
    retry_waiting();
    return reply;
  }

  // -- state --------------------------------------------------------------------------------

  promise<wire::state_chunk> on_state_request(const wire::state_request& m) {
    auto reply = make_response_promise<promise<wire::state_chunk>>();
    if (auto fault = m.fault()) return reply.deliver(damaged(*fault));
    const auto body = m.read();
    if (!serving_ || body->getStage() != static_cast<uint32_t>(options_.stage.value()))
      return reply.deliver(make_error(because(refusal_reason::not_serving)));
    const auto offset = body->getOffsetBytes();
    const auto version = body->getVersion() < 0 ? guard_.version() : step_id{body->getVersion()};
    if (snapshots_.has(version) || version != guard_.version()) {
      send_chunk(version, offset, reply);
      return reply;
    }
    request(options_.compute, caf::infinite, export_atom::value)
        .then(
            [=](const tensors::host_tensor& state) {
              snapshots_.put(version, state);
              send_chunk(version, offset, reply);
            },
            [reply](caf::error& error) mutable { reply.deliver(std::move(error)); });
    return reply;
  }

  void send_chunk(step_id version, uint64_t offset, promise<wire::state_chunk> reply) {
    const auto chunk = snapshots_.read(version, offset);
    if (!chunk) return static_cast<void>(reply.deliver(make_error(errc::no_state)));
    reply.deliver(chunk_of(version, *chunk));
  }

  void on_roster(const wire::roster_update& update) {
    bool lost = false;
    for (const auto& id : update.gone)
      lost |= fetch_.remove(id);
    for (const auto& member : update.changed) {
      if (member.role != wire::member_role::stage_worker || member.stage != options_.stage ||
          member.id == options_.id)
        continue;
      if (member.state == wire::member_state::serving) {
        fetch_.add(member.id, caf::actor_cast<wire::stage_worker_actor>(member.handle));
      } else {
        lost |= fetch_.remove(member.id);
      }
    }
    if (lost) fetch_later("the donor is gone");
  }

  void fetch_later(const char* why) {
    report("fetch_failed", {{"why", std::string{why}}});
    fetch_.give_up();
    delayed_send(this, options_.fetch_retry, fetch_atom::value);
  }

  void fetch() {
    if (serving_) return;
    // All of the stage fell back at once: what we have is the newest there is.
    if (has_state_ && !fetch_.has_donors()) return serve();
    if (!fetch_.has_donors()) return fetch_later("no donor");
    if (auto question = fetch_.begin()) ask_chunk(*question);
  }

  using question = state_fetch<wire::stage_worker_actor>::question;

  void ask_chunk(const question& asked) {
    request(asked.donor, options_.request_timeout,
            request_of(options_.stage, asked.version, asked.offset_bytes))
        .then(
            [=](const wire::state_chunk& m) {
              if (fetch_.open(asked)) on_chunk(asked, m);
            },
            [=](caf::error&) {
              if (fetch_.open(asked)) fetch_later("donor failed");
            });
  }

  void on_chunk(const question& asked, const wire::state_chunk& m) {
    if (m.fault()) return fetch_later("damaged chunk");
    const auto chunk = m.read();
    const auto bytes = chunk->getBytes();
    switch (fetch_.accept(step_id{chunk->getVersion()}, chunk->getTotalBytes(),
                          chunk->getOffsetBytes(), chunk->getChecksum(), bytes.begin(),
                          bytes.size())) {
      case state_assembly::progress::more:
        return ask_chunk(fetch_.next(asked));
      case state_assembly::progress::complete: {
        const auto [version, state] = fetch_.take();
        return import(version, state);
      }
      case state_assembly::progress::stale:
        return fetch_later("the donor moved on");
      case state_assembly::progress::damaged:
        return fetch_later("the checksum is wrong");
    }
  }

  void import(step_id version, const tensors::host_tensor& state) {
    request(options_.compute, caf::infinite, import_atom::value, state)
        .then([=](const std::string&) { serve_from(version); },
              [=](caf::error&) { fetch_later("the state does not fit this stage"); });
  }

  stage_worker_options options_;
  step_guard guard_;
  bool serving_ = false;
  bool has_state_ = false;  ///< even while fetching a newer one
  size_t pending_ = 0;
  size_t accumulating_ = 0;
  std::set<microbatch_id> in_sum_;  ///< at the compute actor with a weight
  std::vector<std::function<void()>> waiting_;
  std::vector<std::function<void()>> drained_;
  snapshot_store snapshots_;
  state_fetch<wire::stage_worker_actor> fetch_;
};

}  // namespace

wire::stage_worker_actor spawn_stage_worker(caf::actor_system& system,
                                            stage_worker_options options) {
  return system.spawn<stage_worker>(std::move(options));
}

}  // namespace swarm::stage
