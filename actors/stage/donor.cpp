#include "actors/stage/donor.hpp"

#include <algorithm>
#include <utility>

#include "actors/stage/errc.hpp"
#include "actors/stage/replies.hpp"

namespace swarm::stage {

void donor::answer(const wire::state_request& m, promise<wire::state_chunk> reply) {
  const auto& guard = host_.guard();
  const auto body = m.read();
  const auto wanted = weights_in(*body);
  const weights_id newer_than{history_id{body->getNewerThanHistory()},
                              step_id{body->getNewerThan()}};
  const bool by_another_name = wanted && is_name(*wanted);
  if (wanted ? !by_another_name && !fits(*wanted, guard.weights()) : guard.weights() <= newer_than)
    return static_cast<void>(reply.deliver(make_error(errc::no_state)));
  shard_reply about;
  about.weights = by_another_name ? *wanted : guard.weights();
  about.also = with_name(names(), guard.history());
  about.commit = guard.committed();
  if (elements_ > 0) return send_of(elements_, m, about, reply);
  host_.self()
      ->request(options_.compute, caf::infinite, elements_atom::value)
      .then(
          [=](int64_t elements) {
            elements_ = static_cast<uint64_t>(elements);
            // It may have made a step meanwhile.
            if (host_.life().serving()) return answer(m, reply);
            auto refused = reply;
            refused.deliver(make_error(host_.guard().because(refusal_reason::not_serving)));
          },
          [reply](caf::error& error) mutable { reply.deliver(std::move(error)); });
}

void donor::answer_from(const download& fetched, const last_commit& made_by,
                        const wire::state_request& m, promise<wire::state_chunk> reply) {
  const auto body = m.read();
  const auto wanted = weights_in(*body);
  const auto refuse = [&](refusal_reason why) {
    auto because = host_.guard().because(why);
    const auto status = fetched.status();
    because.done_bytes = status.done_bytes;
    because.total_bytes = status.total_bytes;
    reply.deliver(make_error(because));
  };
  if (!wanted || wanted->history == any_history) return refuse(refusal_reason::not_serving);
  const auto length = body->getElements();
  const auto shard = length == 0 ? 0 : body->getFirstElement() / length;
  // Who counts in shards of another length asks somebody else.
  if (length == 0 || shard >= fetched.shards() ||
      fetched.range(0).count != std::min<uint64_t>(length, fetched.elements()) ||
      body->getFirstElement() % length != 0)
    return refuse(refusal_reason::not_serving);
  shard_reply about;
  about.weights = *wanted;
  about.commit = made_by;
  about.present = fetched.present(*wanted);
  if ((about.present[shard / 8] >> (shard % 8) & 1) == 0) return refuse(refusal_reason::restoring);
  send_of(fetched.elements(), m, about, reply);
}

void donor::send_of(uint64_t total, const wire::state_request& m, shard_reply about,
                    promise<wire::state_chunk> reply) {
  const auto body = m.read();
  about.total_elements = total;
  about.first_element = body->getFirstElement();
  if (about.first_element >= total || body->getElements() == 0 ||
      body->getElements() > shard_elements_max)
    return static_cast<void>(reply.deliver(make_error(errc::no_state)));
  send(about, std::min<uint64_t>(body->getElements(), total - about.first_element), reply);
}

/// The compute actor works in order, so its answer is of the weights that the guard has now.
void donor::send(const shard_reply& about, uint64_t count, promise<wire::state_chunk> reply) {
  host_.self()
      ->request(options_.compute, caf::infinite, export_atom::value,
                static_cast<int64_t>(about.first_element), static_cast<int64_t>(count))
      .then(
          [=](const tensors::host_tensor& shard) mutable {
            auto whole = about;
            whole.shard = shard;
            reply.deliver(chunk_of(whole));
          },
          [reply](caf::error& error) mutable { reply.deliver(std::move(error)); });
}

void donor::leave(bool for_others, std::function<void()> then) {
  for_others = for_others && options_.snapshots;
  if (!options_.store && !for_others) return then();
  if (elements_ > 0) return leave_copies(for_others, then);
  host_.self()
      ->request(options_.compute, caf::infinite, elements_atom::value)
      .then(
          [=](int64_t elements) {
            elements_ = static_cast<uint64_t>(elements);
            // Else what the engine holds is not the guard's weights any more.
            if (host_.life().serving()) return leave_copies(for_others, then);
            then();
          },
          [this](caf::error& error) { host_.self()->quit(std::move(error)); });
}

/// A copy that the snapshots could not keep is not taken: it would be the whole state once more.
void donor::leave_copies(bool for_others, const std::function<void()>& then) {
  for_others = for_others && options_.snapshots->has_place_for(elements_ * element_state_bytes);
  if (!options_.store && !for_others) return then();
  const auto weights = host_.guard().weights();
  host_.self()
      ->request(options_.compute, caf::infinite, export_atom::value)
      .then(
          [=, commit = host_.guard().committed()](const tensors::host_tensor& state) {
            stored_state copy{weights.version, state, commit, weights.history};
            if (also_.first == weights) copy.also = also_.second;
            if (for_others) options_.snapshots->put(options_.stage, copy);
            if (options_.store) options_.store->put(copy);
            report_promise();
            then();
          },
          [this](caf::error& error) { host_.self()->quit(std::move(error)); });
}

void donor::pin(const wire::commit& m) {
  const step_id version{m.read()->getOnDisks()};
  if (options_.store && step_id{0} <= version) options_.store->pin(version);
}

void donor::keep(stored_sum sum) {
  if (!options_.store) return;
  options_.store->put(std::move(sum));
  report_promise();
}

void donor::report_promise() {
  if (!options_.store) return;
  const auto word = options_.store->word();
  if (word.changes == told_) return;
  told_ = word.changes;
  host_.report(promise_event(word),
               {{"version", host_.guard().version().value()}, {"detail", word.sentence}});
}

}  // namespace swarm::stage
