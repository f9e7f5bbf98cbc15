#include "actors/stage/pipeline.hpp"

#include <chrono>
#include <type_traits>
#include <utility>

#include "actors/call_work.hpp"
#include "actors/planted_bug.hpp"
#include "actors/stage/errc.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::stage {

double pipeline::now_s() {
  return std::chrono::duration<double>(host_.self()->clock().now().time_since_epoch()).count();
}

void pipeline::clear() {
  waiting_.clear();
  drained_.clear();
}

std::optional<refusal> pipeline::unavailable() const {
  if (!host_.serving()) return guard_.because(refusal_reason::not_serving);
  if (pending_ >= pending_requests_max) return guard_.because(refusal_reason::overloaded);
  return std::nullopt;
}

/// Refuses, or answers through the compute actor. `again` repeats the whole call; it is kept
/// while the commit that the sender has already seen is still on its way to us.
template <class Reply, class Ask>
void pipeline::admit(std::optional<refusal> why, step_id step, promise<Reply> reply,
                     std::function<void()> again, Ask&& ask) {
  if (!why || !host_.serving()) why = unavailable();
  if (!why) {
    ++pending_;
    return ask();
  }
  if (why->reason == refusal_reason::behind && waiting_.size() < pending_requests_max) {
    if (guard_.may_follow()) {
      waiting_.push_back(std::move(again));
      return;
    }
    host_.fall_back("missed a commit", step);
  }
  reply.deliver(make_error(*why));
}

void pipeline::retry_waiting() {
  for (auto& again : std::exchange(waiting_, {}))
    again();
}

/// A request went to the compute actor and came back.
void pipeline::settled() {
  --pending_;
  if (accumulating_ == 0)
    for (auto& answer : std::exchange(drained_, {}))
      answer();
}

/// Sends an admitted request that changes nothing.
template <class Reply, class... Args>
void pipeline::relay(promise<Reply> reply, const Args&... args) {
  meter_.begin(now_s());
  host_.self()
      ->request(options_.compute, caf::infinite, args...)
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
void pipeline::accumulate(const Request& m, microbatch_id index, int asked, promise<Reply> reply) {
  int weight = guard_.effective_weight(index, asked);
  // Two copies of one request may be at the engine at once; only one of them counts.
  if (weight != 0 && !in_sum_.insert(index).second && !planted(planted_bug::set_without_dedupe))
    weight = 0;
  if (weight != 0) ++accumulating_;
  meter_.begin(now_s());
  const auto done = [this, index, weight, state = host_.states_given_up()](bool counted) {
    const bool had_forward = std::is_same_v<Request, wire::backward>;
    const double work = had_forward ? backward_work : loss_work;
    meter_.end(now_s(), counted ? work : 0);
    if (weight != 0) {
      --accumulating_;
      // Another state has been, or will be, loaded over what it was added to.
      if (state == host_.states_given_up()) {
        in_sum_.erase(index);
        if (counted) guard_.accumulated(index, weight);
      }
    }
    settled();
  };
  host_.self()
      ->request(options_.compute, caf::infinite, m, weight)
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

promise<wire::activation> pipeline::on_forward(const wire::forward& m) {
  auto reply = host_.self()->make_response_promise<promise<wire::activation>>();
  serve_forward(m, reply);
  return reply;
}

void pipeline::serve_forward(const wire::forward& m, promise<wire::activation> reply) {
  if (auto fault = m.fault()) return static_cast<void>(reply.deliver(host_.damaged(*fault)));
  const auto ticket = wire::from_wire(m.read()->getTicket());
  admit(
      guard_.admit_read(ticket.term, ticket.step), ticket.step, reply,
      [=] { serve_forward(m, reply); }, [&] { relay(reply, m); });
}

promise<wire::input_gradient> pipeline::on_backward(const wire::backward& m) {
  auto reply = host_.self()->make_response_promise<promise<wire::input_gradient>>();
  serve_accumulating(m, reply);
  return reply;
}

promise<wire::loss_done> pipeline::on_loss(const wire::loss& m) {
  auto reply = host_.self()->make_response_promise<promise<wire::loss_done>>();
  serve_accumulating(m, reply);
  return reply;
}

template <class Request, class Reply>
void pipeline::serve_accumulating(const Request& m, promise<Reply> reply) {
  if (auto fault = m.fault()) return static_cast<void>(reply.deliver(host_.damaged(*fault)));
  const auto body = m.read();
  const auto ticket = wire::from_wire(body->getTicket());
  const int weight = body->getWeight();
  if (weight < -1 || weight > 1 || ticket.microbatch < microbatch_id{0} ||
      ticket.microbatch >= microbatch_id{microbatches_max})
    return static_cast<void>(reply.deliver(host_.damaged(wire::errc::malformed)));
  // Without a weight the sum stays as it is, so it may be frozen: the other stages still need the
  // gradient of the input.
  auto why = weight == 0 ? guard_.admit_read(ticket.term, ticket.step)
                         : guard_.admit_accumulate(ticket.term, ticket.step, ticket.round);
  admit(
      std::move(why), ticket.step, reply, [=] { serve_accumulating(m, reply); },
      [&] { accumulate(m, ticket.microbatch, weight, reply); });
}

promise<wire::inferred> pipeline::on_infer(const wire::infer& m) {
  auto reply = host_.self()->make_response_promise<promise<wire::inferred>>();
  if (auto fault = m.fault()) return reply.deliver(host_.damaged(*fault));
  if (auto why = unavailable()) return reply.deliver(make_error(*why));
  ++pending_;
  relay(reply, m, guard_.version().value());
  return reply;
}

void pipeline::when_drained(std::function<void()> answer) {
  if (accumulating_ == 0) return answer();
  drained_.push_back(std::move(answer));
}

}  // namespace swarm::stage
