#include "actors/stage/restorer.hpp"

#include <algorithm>
#include <utility>

#include "actors/stage/errc.hpp"
#include "actors/stage/replies.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::stage {

void restorer::clear() {
  stewards_.clear();
  replies_.clear();
  failed_ = nullptr;
}

void restorer::on_roster(const wire::roster_update& update) {
  bool lost = false;
  for (const auto& id : update.gone) {
    stewards_.erase(id);
    lost |= active_ && !holders_.empty() && holders_.front() == id;
  }
  for (const auto& m : update.changed)
    if (m.role == wire::member_role::stage_worker && m.steward)
      stewards_[m.id] = caf::actor_cast<wire::steward_actor>(m.steward);
  if (lost) look_elsewhere();
}

bool restorer::repeats(const wire::restore& m, promise<wire::standing>& reply) {
  if (!active_ || step_id{m.read()->getVersion()} != version_) return false;
  if (replies_.size() >= commit_repeats_max) return false;
  replies_.push_back(reply);
  return true;
}

void restorer::start(const wire::restore& m, std::function<void()> failed,
                     promise<wire::standing> reply) {
  const auto body = m.read();
  refuse();
  active_ = true;
  ++generation_;
  version_ = step_id{body->getVersion()};
  failed_ = std::move(failed);
  replies_.assign(1, std::move(reply));
  holders_.clear();
  assembly_.reset();
  if (options_.vault)
    if (const auto kept = options_.vault->find(options_.stage, version_))
      return import(kept->state, kept->commit);
  if (options_.store)
    for (const auto& kept : options_.store->states())
      if (kept.version == version_) return import(kept.state, kept.commit);
  for (const auto id : body->getHolders())
    holders_.push_back(wire::from_wire(id));
  // Not all at the same one.
  if (!holders_.empty())
    std::rotate(
        holders_.begin(),
        holders_.begin() + static_cast<std::ptrdiff_t>(options_.id.peer.value() % holders_.size()),
        holders_.end());
  ask_chunk();
}

void restorer::look_elsewhere() {
  ++generation_;
  if (!holders_.empty()) holders_.pop_front();
  assembly_.reset();
  ask_chunk();
}

void restorer::ask_chunk() {
  while (!holders_.empty() && stewards_.count(holders_.front()) == 0)
    holders_.pop_front();
  if (holders_.empty()) return give_up();
  host_.self()
      ->request(stewards_.at(holders_.front()), options_.chunk_timeout,
                request_of(options_.stage, version_.value(), assembly_.next_offset_bytes()))
      .then(
          [=, generation = generation_](const wire::state_chunk& m) {
            if (active_ && generation == generation_) on_chunk(m);
          },
          [=, generation = generation_](caf::error&) {
            if (active_ && generation == generation_) look_elsewhere();
          });
}

void restorer::on_chunk(const wire::state_chunk& m) {
  if (m.fault()) return look_elsewhere();
  const auto chunk = m.read();
  if (step_id{chunk->getVersion()} != version_) return look_elsewhere();
  const auto bytes = chunk->getBytes();
  switch (assembly_.accept(version_, chunk->getTotalBytes(), chunk->getOffsetBytes(),
                           chunk->getChecksum(), bytes.begin(), bytes.size())) {
    case state_assembly::progress::more:
      return ask_chunk();
    case state_assembly::progress::complete:
      return import(assembly_.take(), commit_in(*chunk));
    case state_assembly::progress::stale:
    case state_assembly::progress::damaged:
      return look_elsewhere();
  }
}

void restorer::import(const tensors::host_tensor& state, const last_commit& commit) {
  holders_.clear();
  host_.self()
      ->request(options_.compute, caf::infinite, import_atom::value, state)
      .then(
          [=, generation = generation_](const std::string& hash) {
            if (!active_ || generation != generation_) return;
            auto& guard = host_.guard();
            guard.resume(version_, commit);
            if (options_.vault) options_.vault->put(options_.stage, {version_, state, commit});
            active_ = false;
            host_.report("restored", {{"version", version_.value()}});
            host_.serve(hash);
            for (auto& reply : std::exchange(replies_, {}))
              reply.deliver(standing_of(options_.id, options_.stage, guard));
          },
          [=, generation = generation_](caf::error&) {
            if (active_ && generation == generation_) give_up();
          });
}

void restorer::refuse() {
  for (auto& reply : std::exchange(replies_, {}))
    reply.deliver(make_error(errc::no_state));
}

void restorer::give_up() {
  active_ = false;
  ++generation_;
  refuse();
  if (auto failed = std::exchange(failed_, nullptr)) failed();
}

}  // namespace swarm::stage
