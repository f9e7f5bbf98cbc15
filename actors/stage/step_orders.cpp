#include "actors/stage/step_orders.hpp"

#include <algorithm>
#include <utility>

#include "actors/planted_bug.hpp"
#include "actors/stage/errc.hpp"
#include "actors/stage/replies.hpp"

namespace swarm::stage {

/// Answers and returns true when the order is not to be carried out.
template <class Reply>
bool step_orders::refused(std::optional<refusal> why, step_id step, promise<Reply>& reply) {
  if (why && why->reason == refusal_reason::behind)
    host_.fall_back("missed a commit", {guard_.history(), step});
  if (!host_.life().serving()) why = guard_.because(refusal_reason::not_serving);
  if (why) reply.deliver(make_error(*why));
  return why.has_value();
}

promise<wire::position> step_orders::on_take_over(const wire::take_over& m) {
  auto reply = host_.self()->make_response_promise<promise<wire::position>>();
  if (auto fault = m.fault()) return reply.deliver(host_.damaged(*fault));
  auto why = guard_.take_over(term_id{m.read()->getTerm()});
  if (!why && !host_.life().serving()) why = guard_.because(refusal_reason::not_serving);
  if (why) return reply.deliver(make_error(*why));
  return reply.deliver(position_of(options_.id, options_.stage, guard_));
}

promise<wire::holding> step_orders::on_gather(const wire::gather& m) {
  auto reply = host_.self()->make_response_promise<promise<wire::holding>>();
  if (auto fault = m.fault()) return reply.deliver(host_.damaged(*fault));
  const auto when = wire::step_round_of(*m.read());
  // The run has gone back without this worker: what it stands at is of no use to anybody.
  const history_id history{m.read()->getHistory()};
  if (guard_.history() < history && !guard_.take_over(when.term))
    host_.fall_back("missed that the run went back", {history, when.step});
  if (refused(guard_.gather(when.term, when.step, when.round), when.step, reply)) return reply;
  reduction_.gathered(m);
  pipeline_.when_drained([this, reply, when]() mutable {
    // A later gather, or a commit, has come meanwhile.
    if (refused(guard_.gather(when.term, when.step, when.round), when.step, reply)) return;
    reply.deliver(holding_of(options_.id, guard_.version(), when.round, guard_.held()));
  });
  return reply;
}

promise<wire::holding> step_orders::on_drop(const wire::drop& m) {
  auto reply = host_.self()->make_response_promise<promise<wire::holding>>();
  if (auto fault = m.fault()) return reply.deliver(host_.damaged(*fault));
  const auto when = wire::step_round_of(*m.read());
  if (refused(guard_.gather(when.term, when.step, when.round), when.step, reply)) return reply;
  pipeline_.when_drained([this, reply, when]() mutable {
    if (auto why = guard_.drop(when.term, when.step, when.round))
      return static_cast<void>(reply.deliver(make_error(*why)));
    host_.self()
        ->request(options_.compute, caf::infinite, clear_atom::value)
        .then(
            [this, reply, when](bool) mutable {
              reply.deliver(holding_of(options_.id, guard_.version(), when.round, guard_.held()));
            },
            [reply](caf::error& error) mutable { reply.deliver(std::move(error)); });
  });
  return reply;
}

promise<wire::reduced> step_orders::on_reduce(const wire::reduce& m) {
  auto reply = host_.self()->make_response_promise<promise<wire::reduced>>();
  if (auto fault = m.fault()) return reply.deliver(host_.damaged(*fault));
  if (host_.life().follows()) {
    joiner_.on_reduce(m, reply);
    return reply;
  }
  const auto when = wire::step_round_of(*m.read());
  // Ordered while it was still a follower: what it holds by now does not count.
  if (!contributes(options_.id, m)) guard_.gather(when.term, when.step, when.round);
  if (refused(guard_.reduce(when.term, when.step, when.round), when.step, reply)) return reply;
  return reduction_.order(m, reply);
}

promise<wire::committed> step_orders::on_commit(const wire::commit& m) {
  auto reply = host_.self()->make_response_promise<promise<wire::committed>>();
  if (auto fault = m.fault()) return reply.deliver(host_.damaged(*fault));
  if (host_.life().follows()) {
    joiner_.on_commit(m, reply);
    return reply;
  }
  const auto body = m.read();
  const auto when = wire::step_round_of(*body);
  const attempt_id attempt{term_id{body->getReducedTerm()}, when.round};
  if (is_repeat(when, attempt, body->getHash().cStr())) {
    if (planted(planted_bug::commit_applied_twice)) apply(when.step, body->getScale(), 0, false);
    answers_.answer(guard_, reply);
    return reply;
  }
  auto why = why_not(m);
  early_.reset();
  if (why && why->reason == refusal_reason::wrong_round && reduction_.awaits(when, attempt)) {
    early_ = m;
  } else if (why && why->reason == refusal_reason::wrong_round) {
    // The stage commits without this worker.
    const history_id history{body->getHistory()};
    host_.fall_back("missed a reduce", {std::max(guard_.history(), history), when.step.next()});
  }
  // Only a confused coordinator leases a later round and then commits this one.
  if (!why && pipeline_.accumulating() > 0) why = guard_.because(refusal_reason::wrong_round);
  if (refused(why, when.step, reply)) return reply;
  carry_out(m);
  answers_.answer(guard_, reply);
  return reply;
}

std::optional<refusal> step_orders::why_not(const wire::commit& m) {
  const auto body = m.read();
  const auto when = wire::step_round_of(*body);
  auto why = guard_.commit(when.term, when.step, {term_id{body->getReducedTerm()}, when.round});
  // It stands for another sum than the group's: it counted as lost, and went on.
  if (!why && body->getHash().size() > 0 && guard_.sum().hash != body->getHash().cStr())
    why = guard_.because(refusal_reason::wrong_round);
  return why;
}

/// The sum that it names is here, or will not come.
void step_orders::early_commit_again() {
  const auto early = std::exchange(early_, std::nullopt);
  if (!early || why_not(*early) || pipeline_.accumulating() > 0) return;
  carry_out(*early);
  host_.announce(wire::member_state::serving);
}

void step_orders::carry_out(const wire::commit& m) {
  const auto body = m.read();
  donor_.pin(m);
  apply(step_id{body->getStep()}, body->getScale(), body->getCounted(), body->getKeep());
}

bool step_orders::is_repeat(const wire::step_round& when, attempt_id attempt,
                            const std::string& hash) {
  const auto& made = guard_.committed();
  return host_.life().serving() && !guard_.take_over(when.term) &&
         when.step.next() == guard_.version() && made.attempt == attempt &&
         (hash.empty() || made.hash.empty() || made.hash == hash);
}

void step_orders::apply(step_id step, double scale, uint32_t counted, bool keep) {
  host_.self()
      ->request(options_.compute, caf::infinite, apply_atom::value, step.value(), scale)
      .then(
          [this, keep, version = step.next(),
           state = host_.life().attempt()](const std::string& hash) {
            // Another state may be on its way into the engine.
            if (state == host_.life().attempt())
              donor_.leave(keep, [=] { answers_.made(version, hash, donor_.kept()); });
          },
          [this](caf::error& error) { host_.self()->quit(std::move(error)); });
  // The compute actor works in order, so whatever is admitted from here on sees the new weights.
  guard_.commit_applied(scale, counted);
  pipeline_.step_over();
  pipeline_.retry_waiting();
}

}  // namespace swarm::stage
