#include "actors/stage/donor.hpp"

#include <utility>

#include "actors/stage/errc.hpp"
#include "actors/stage/replies.hpp"

namespace swarm::stage {

void donor::forget_given_up() {
  const auto& guard = host_.guard();
  const bool same_history = newest_ < guard.version() ||
                            (newest_ == guard.version() && made_by_ == guard.committed().attempt);
  if (!same_history) snapshots_ = {};
}

void donor::answer(const wire::state_request& m, promise<wire::state_chunk> reply) {
  forget_given_up();
  const auto& guard = host_.guard();
  const auto body = m.read();
  const auto offset = body->getOffsetBytes();
  const auto version = body->getVersion() < 0 ? guard.version() : step_id{body->getVersion()};
  if (snapshots_.has(version) || version != guard.version())
    return send_chunk(version, offset, reply);
  host_.self()
      ->request(options_.compute, caf::infinite, export_atom::value)
      .then(
          [=, commit = guard.committed()](const tensors::host_tensor& state) {
            snapshots_.put(version, state, commit);
            newest_ = version;
            made_by_ = commit.attempt;
            send_chunk(version, offset, reply);
          },
          [reply](caf::error& error) mutable { reply.deliver(std::move(error)); });
}

void donor::leave(bool for_others, std::function<void()> then) {
  const auto version = host_.guard().version();
  for_others = for_others && options_.vault;
  if (!options_.store && !for_others) return then();
  host_.self()
      ->request(options_.compute, caf::infinite, export_atom::value)
      .then(
          [=, commit = host_.guard().committed(),
           then = std::move(then)](const tensors::host_tensor& state) {
            if (for_others) options_.vault->put(options_.stage, {version, state, commit});
            if (options_.store) options_.store->put(stored_state{version, state, commit});
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

void donor::send_chunk(step_id version, uint64_t offset, promise<wire::state_chunk> reply) {
  const auto chunk = snapshots_.read(version, offset, options_.chunk_bytes);
  if (!chunk) return static_cast<void>(reply.deliver(make_error(errc::no_state)));
  reply.deliver(chunk_of(version, *chunk));
}

}  // namespace swarm::stage
