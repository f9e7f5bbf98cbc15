#include "actors/stage/pipeline.hpp"

#include <type_traits>
#include <utility>

#include "actors/actor_body.hpp"
#include "actors/call_work.hpp"
#include "actors/planted_bug.hpp"
#include "actors/stage/errc.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::stage {

namespace {

/// Of an Infer, which is outside any step and cannot be taken back.
const wire::ticket unnamed{term_id{0}, step_id{-1}, microbatch_id{-1}, round_id{0}, 0};

pipeline::request_name name_of(const wire::ticket& t) {
  return {t.term, t.step, t.microbatch, t.round};
}

}  // namespace

double pipeline::now_s() {
  return clock_s(*host_.self());
}

/// Of a request that has just come.
double pipeline::deadline_s(uint32_t patience_ms) {
  return patience_ms == 0 ? queue::no_deadline : now_s() + static_cast<double>(patience_ms) / 1'000;
}

std::optional<refusal> pipeline::unavailable() const {
  if (!host_.life().serving()) return guard_.because(refusal_reason::not_serving);
  if (queue_.size() >= pending_requests_max) return guard_.because(refusal_reason::overloaded);
  return std::nullopt;
}

/// Refuses, or answers through the compute actor when it is the request's turn. `again` repeats the
/// whole call; it is kept while the commit that the sender has already seen is still on its way to
/// us.
template <class Reply, class Check, class Ask>
void pipeline::admit(const Check& check, const wire::ticket& ticket, double deadline,
                     promise<Reply> reply, std::function<void()> again, Ask ask) {
  auto why = check();
  if (!why || !host_.life().serving()) why = unavailable();
  if (!why) return wait_for_turn(check, ticket, deadline, reply, ask);
  if (why->reason == refusal_reason::behind && waiting_.size() < pending_requests_max) {
    if (guard_.may_follow()) {
      waiting_.push_back(std::move(again));
      return;
    }
    host_.fall_back("missed a commit", {guard_.history(), ticket.step});
  }
  reply.deliver(make_error(*why));
}

/// The step may be over, or the round closed, when its turn has come: it is checked again then.
template <class Reply, class Check, class Ask>
void pipeline::wait_for_turn(const Check& check, const wire::ticket& ticket, double deadline,
                             promise<Reply> reply, Ask ask) {
  auto refuse = [reply](const refusal& why) mutable { reply.deliver(make_error(why)); };
  const auto start = [this, check, refuse, ask]() mutable {
    auto why = check();
    if (!why && !host_.life().serving()) why = guard_.because(refusal_reason::not_serving);
    if (why) {
      refuse(*why);
      return false;
    }
    ask();
    return true;
  };
  meter_.begin(now_s());
  queue_.push({start, refuse}, name_of(ticket), deadline);
  serve_next();
}

void pipeline::serve_next() {
  while (auto turn = queue_.next(now_s())) {
    if (turn->expired) {
      // Nobody waits for that answer.
      turn->request.refuse(guard_.because(refusal_reason::overloaded));
    } else {
      if (turn->request.start()) continue;
      queue_.done();
    }
    meter_.end(now_s(), 0);
  }
}

/// What is at the compute actor is not called back: it may be in the sum by now.
void pipeline::on_cancel(const wire::cancel& m) {
  if (m.fault()) return static_cast<void>(host_.damaged(*m.fault()));
  const auto name = name_of(wire::from_wire(m.read()->getTicket()));
  for (auto& taken : queue_.cancel(name)) {
    meter_.end(now_s(), 0);
    taken.refuse(guard_.because(refusal_reason::overloaded));
  }
}

void pipeline::retry_waiting() {
  for (auto& again : std::exchange(waiting_, {}))
    again();
}

/// A request went to the compute actor and came back, so much work done.
void pipeline::settled(double work) {
  meter_.end(now_s(), work);
  queue_.done();
  if (accumulating_ == 0)
    for (auto& answer : std::exchange(drained_, {}))
      answer();
  serve_next();
}

/// Sends an admitted request to the compute actor and passes the answer on, after `done` has heard
/// whether the work was done.
template <class Reply, class Done, class... Args>
void pipeline::ask_device(promise<Reply> reply, Done done, const Args&... args) {
  host_.self()
      ->request(options_.compute, caf::infinite, args...)
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

/// Sends an admitted request that changes nothing.
template <class Reply, class... Args>
void pipeline::relay(promise<Reply> reply, const Args&... args) {
  ask_device(
      reply, [this](bool done) { settled(done ? forward_work : 0); }, args...);
}

/// What a request that gives a gradient costs at the device.
template <class Request>
static constexpr double work_of =
    std::is_same_v<Request, wire::backward> ? backward_work : loss_work;

/// Sends an admitted request that may change the gradient sum.
template <class Reply, class Request>
void pipeline::accumulate(const Request& m, microbatch_id index, int asked, promise<Reply> reply) {
  int weight = guard_.effective_weight(index, asked);
  // Two copies of one request may be at the engine at once; only one of them counts.
  if (weight != 0 && !in_sum_.insert(index).second && !planted(planted_bug::set_without_dedupe))
    weight = 0;
  if (weight != 0) ++accumulating_;
  const auto done = [this, index, weight, state = host_.life().attempt()](bool counted) {
    if (weight != 0) {
      --accumulating_;
      // Another state has been, or will be, loaded over what it was added to.
      if (state == host_.life().attempt()) {
        in_sum_.erase(index);
        if (counted) guard_.accumulated(index, weight);
      }
    }
    settled(counted ? work_of<Request> : 0);
  };
  ask_device(reply, done, m, weight);
}

// -- shares of others ---------------------------------------------------------------------------

void pipeline::begin_shares(const share_round& round) {
  if (round == shares_.round()) return;
  const bool had_any = shares_.size() > 0;
  shares_.begin(round);
  if (had_any)
    host_.self()
        ->request(options_.compute, caf::infinite, forget_atom::value, round.attempt.term.value(),
                  round.attempt.round.value())
        .then([](bool) {}, [](caf::error&) {});
}

void pipeline::assign_shares(const std::map<share_key, microbatch_set>& cuts) {
  shares_.assign(cuts);
}

template <class Request, class Reply>
void pipeline::serve_share(const Request& m, double deadline, promise<Reply> reply) {
  const auto body = m.read();
  const auto ticket = wire::from_wire(body->getTicket());
  const share_key which = *ticket.share;
  const share_round round{ticket.step, {ticket.term, ticket.round}};
  const auto check = [this, ticket, which, round]() -> std::optional<refusal> {
    if (auto why = guard_.admit_read(ticket.term, ticket.step, ticket.history)) return why;
    // Over: whoever asks need not wait until this worker has heard of it.
    if (round.attempt < guard_.frozen()) return guard_.because(refusal_reason::frozen);
    if (guard_.frozen() < round.attempt) return guard_.because(refusal_reason::wrong_round);
    if (const auto why = shares_.admit(round, which, ticket.microbatch))
      return guard_.because(*why);
    return std::nullopt;
  };
  admit(
      check, ticket, deadline, reply, [=] { serve_share(m, deadline, reply); },
      [=] { add_to_share(m, round, which, ticket.microbatch, reply); });
}

/// The compute actor adds it to the share that the ticket names.
template <class Request, class Reply>
void pipeline::add_to_share(const Request& m, const share_round& round, share_key which,
                            microbatch_id index, promise<Reply> reply) {
  const int weight = shares_.weight(which, index);
  const auto done = [=](bool counted) {
    const bool complete = weight != 0 && shares_.computed(round, which, index, counted);
    settled(counted ? work_of<Request> : 0);
    if (complete && share_complete_) share_complete_(which);
  };
  ask_device(reply, done, m, weight);
}

promise<wire::activation> pipeline::on_forward(const wire::forward& m) {
  auto reply = host_.self()->make_response_promise<promise<wire::activation>>();
  if (auto fault = m.fault()) return reply.deliver(host_.damaged(*fault));
  serve_forward(m, deadline_s(m.read()->getTicket().getPatienceMs()), reply);
  return reply;
}

void pipeline::serve_forward(const wire::forward& m, double deadline,
                             promise<wire::activation> reply) {
  const auto ticket = wire::from_wire(m.read()->getTicket());
  admit([this, ticket] { return guard_.admit_read(ticket.term, ticket.step, ticket.history); },
        ticket, deadline, reply, [=] { serve_forward(m, deadline, reply); },
        [=] { relay(reply, m); });
}

promise<wire::input_gradient> pipeline::on_backward(const wire::backward& m) {
  auto reply = host_.self()->make_response_promise<promise<wire::input_gradient>>();
  accept_accumulating(m, reply);
  return reply;
}

promise<wire::loss_done> pipeline::on_loss(const wire::loss& m) {
  auto reply = host_.self()->make_response_promise<promise<wire::loss_done>>();
  accept_accumulating(m, reply);
  return reply;
}

template <class Request, class Reply>
void pipeline::accept_accumulating(const Request& m, promise<Reply> reply) {
  if (auto fault = m.fault()) return static_cast<void>(reply.deliver(host_.damaged(*fault)));
  const auto body = m.read();
  const auto ticket = body->getTicket();
  const int weight = body->getWeight();
  if (weight < -1 || weight > 1 || ticket.getMicrobatch() < 0 ||
      ticket.getMicrobatch() >= microbatches_max)
    return static_cast<void>(reply.deliver(host_.damaged(wire::errc::malformed)));
  if (ticket.getForShare() && weight != 0) {
    // Nothing is taken out of a share.
    if (weight < 0) return static_cast<void>(reply.deliver(host_.damaged(wire::errc::malformed)));
    return serve_share(m, deadline_s(ticket.getPatienceMs()), reply);
  }
  serve_accumulating(m, deadline_s(ticket.getPatienceMs()), reply);
}

template <class Request, class Reply>
void pipeline::serve_accumulating(const Request& m, double deadline, promise<Reply> reply) {
  const auto ticket = wire::from_wire(m.read()->getTicket());
  const int weight = m.read()->getWeight();
  // Without a weight the sum stays as it is, so it may be frozen: the other stages still need the
  // gradient of the input.
  const auto check = [this, ticket, weight] {
    return weight == 0
               ? guard_.admit_read(ticket.term, ticket.step, ticket.history)
               : guard_.admit_accumulate(ticket.term, ticket.step, ticket.round, ticket.history);
  };
  admit(
      check, ticket, deadline, reply, [=] { serve_accumulating(m, deadline, reply); },
      [=] { accumulate(m, ticket.microbatch, weight, reply); });
}

promise<wire::inferred> pipeline::on_infer(const wire::infer& m) {
  auto reply = host_.self()->make_response_promise<promise<wire::inferred>>();
  if (auto fault = m.fault()) return reply.deliver(host_.damaged(*fault));
  if (auto why = unavailable()) return reply.deliver(make_error(*why));
  wait_for_turn([]() -> std::optional<refusal> { return std::nullopt; }, unnamed,
                deadline_s(m.read()->getPatienceMs()), reply,
                [=] { relay(reply, m, guard_.version().value()); });
  return reply;
}

void pipeline::when_drained(std::function<void()> answer) {
  if (accumulating_ == 0) return answer();
  drained_.push_back(std::move(answer));
}

}  // namespace swarm::stage
