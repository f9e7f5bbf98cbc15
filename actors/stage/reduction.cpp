#include "actors/stage/reduction.hpp"

#include <chrono>
#include <map>
#include <utility>

#include "actors/stage/errc.hpp"
#include "actors/stage/replies.hpp"

namespace swarm::stage {

namespace {

attempt_id attempt_of(const wire::step_round& when) {
  return {when.term, when.round};
}

}  // namespace

reduction::reduction(worker_host& host, const stage_worker_options& options, pipeline& requests)
    : host_(host), options_(options), guard_(host.guard()), pipeline_(requests) {
  pipeline_.on_share_complete([this](share_key which) { share_complete(which); });
  options_.line->reducing(false);
}

template <class Answer>
void reduction::answer_all(const Answer& answer) {
  options_.line->reducing(ordered_ && guard_.sum().attempt != attempt_of(when_));
  for (auto& waiting : std::exchange(polls_, {}))
    waiting.reply.deliver(answer);
  if (ended_) ended_();
}

bool reduction::awaits(const wire::step_round& when, attempt_id attempt) const {
  return ordered_ && !contributes_ && when.step == when_.step && attempt == attempt_of(when_) &&
         guard_.frozen() == attempt && guard_.sum().attempt != attempt;
}

promise<wire::reduced> reduction::order(const wire::reduce& m, promise<wire::reduced> reply) {
  const auto body = m.read();
  const auto when = wire::step_round_of(*body);
  if (attempt_of(when) != attempt_of(when_) || when.step != when_.step) {
    answer_all(make_error(guard_.because(refusal_reason::wrong_round)));
    when_ = when;
    ordered_ = taking_ = false;
    revision_ = 0;
    pipeline_.begin_shares({when.step, attempt_of(when)});
  }
  if (polls_.size() >= reduce_polls_max) {
    answer_how_far(std::move(polls_.front().reply));
    polls_.erase(polls_.begin());
  }
  polls_.push_back({++last_poll_, reply});
  if (guard_.sum().attempt == attempt_of(when)) {
    answer_all(reduced_of(options_.id, when, guard_.sum()));
    if (body->getRevision() <= revision_) return reply;
  } else if (body->getHoldMs() > 0) {
    host_.self()->delayed_send(host_.self(), std::chrono::milliseconds{body->getHoldMs()},
                               hold_atom::value, last_poll_);
  }
  if (ordered_ && body->getRevision() <= revision_) return reply;
  ordered_ = true;
  contributes_ = contributes(options_.id, m);
  revision_ = body->getRevision();
  assign_shares(m);
  options_.line->reducing(guard_.sum().attempt != attempt_of(when));
  ask_averager(m);
  return reply;
}

/// Also when the result is here: others may need this member by the new revision.
void reduction::ask_averager(const wire::reduce& m) {
  const auto when = wire::step_round_of(*m.read());
  const auto counted = m.read()->getCounted();
  const auto fail = [this, when, revision = revision_](caf::error& error) {
    // The averager answers a later revision, if there is one.
    if (attempt_of(when) != attempt_of(when_) || revision != revision_) return;
    ordered_ = false;
    answer_all(error);
  };
  pipeline_.when_drained([=]() mutable {
    host_.self()
        ->request(options_.compute, caf::infinite, sum_atom::value)
        .then(
            [=](const tensors::host_tensor& sum) {
              host_.self()
                  ->request(options_.averager, caf::infinite, m, sum)
                  .then([=](const tensors::host_tensor& total,
                            const std::string& hash) { take(when, counted, total, hash); },
                        fail);
            },
            fail);
  });
}

void reduction::take(wire::step_round when, uint32_t counted, const tensors::host_tensor& total,
                     const std::string& hash) {
  // Each revision's order is answered with the one result.
  if (attempt_of(when) != attempt_of(when_) || taking_) return;
  if (auto why = guard_.reduce(when.term, when.step, when.round))
    return answer_all(make_error(*why));
  taking_ = true;
  reduced_sum sum{attempt_of(when), hash, 0, counted};
  guard_.reducing(sum.attempt);
  host_.self()
      ->request(options_.compute, caf::infinite, reduced_atom::value, total)
      .then(
          [=](double squared_norm) mutable {
            if (attempt_of(when) != attempt_of(when_)) return;
            // A later gather has reopened the step: this result is void.
            if (auto why = guard_.reduce(when.term, when.step, when.round))
              return answer_all(make_error(*why));
            sum.squared_norm = squared_norm;
            guard_.reduced(sum);
            host_.keep({when.step, sum, total, guard_.history()});
            answer_all(reduced_of(options_.id, when, sum));
          },
          [=](caf::error& error) {
            if (attempt_of(when) != attempt_of(when_)) return;
            taking_ = ordered_ = false;
            answer_all(error);
          });
}

void reduction::on_hold(uint64_t id) {
  for (auto at = polls_.begin(); at != polls_.end(); ++at) {
    if (at->id != id) continue;
    auto reply = std::move(at->reply);
    polls_.erase(at);
    return answer_how_far(std::move(reply));
  }
}

void reduction::answer_how_far(promise<wire::reduced> reply) {
  host_.self()
      ->request(options_.averager, caf::infinite, wire::progress_atom::value)
      .then(
          [this, reply, when = when_](const wire::sum_progress& known) mutable {
            reply.deliver(progress_of(options_.id, when, known));
          },
          [reply](caf::error& error) mutable { reply.deliver(std::move(error)); });
}

void reduction::gathered(const wire::gather& m) {
  caf::anon_send(options_.averager, m);
  const auto when = wire::step_round_of(*m.read());
  if (attempt_of(when) == attempt_of(when_) && when.step == when_.step) return;
  if (attempt_of(when) < attempt_of(when_)) return;
  answer_all(make_error(guard_.because(refusal_reason::wrong_round)));
  pipeline_.begin_shares({when.step, attempt_of(when)});
}

// -- shares -------------------------------------------------------------------------------------

void reduction::assign_shares(const wire::reduce& m) {
  const auto body = m.read();
  const auto members = body->getMembers();
  std::map<share_key, microbatch_set> mine;
  for (const auto loss : body->getLosses()) {
    uint32_t index = 0;
    for (const auto share : loss.getShares()) {
      const share_key which{loss.getMember(), index++};
      if (share.getHelper() >= members.size()) continue;
      if (wire::from_wire(members[share.getHelper()].getWorker()) != options_.id) continue;
      mine[which] = set_of(share.getMicrobatches());
    }
  }
  pipeline_.assign_shares(mine);
}

void reduction::share_complete(share_key which) {
  host_.self()
      ->request(options_.compute, caf::infinite, sum_atom::value, when_.term.value(),
                when_.round.value(), which.first, which.second)
      .then(
          [=, when = when_](const tensors::host_tensor& vector) {
            if (attempt_of(when) == attempt_of(when_))
              caf::anon_send(options_.averager, wire::share_atom::value, which.first, which.second,
                             vector);
          },
          [this](caf::error&) { host_.report("share_lost"); });
}

}  // namespace swarm::stage
