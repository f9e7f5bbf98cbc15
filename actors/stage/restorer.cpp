#include "actors/stage/restorer.hpp"

#include <algorithm>
#include <utility>

#include "actors/stage/errc.hpp"
#include "actors/stage/replies.hpp"
#include "actors/stage/state_transfer.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::stage {

namespace {

weights_id wanted_by(schemas::Restore::Reader order) {
  return {history_id{order.getHistory()}, step_id{order.getVersion()}};
}

double seconds_of(std::chrono::milliseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

restorer::restorer(worker_host& host, const stage_worker_options& options)
    : host_(host),
      options_(options),
      fetch_([&host] { return host.self(); }, *this,
             [&host](std::chrono::nanoseconds after) {
               host.self()->delayed_send(host.self(), after, fetch_atom::value);
             }) {}

void restorer::on_roster(const wire::roster_update& update) {
  for (const auto& id : update.gone) {
    replicators_.erase(id);
    mates_.erase(id);
    fetch_.remove(id);
  }
  for (const auto& m : update.changed) {
    if (m.role != wire::member_role::stage_worker) continue;
    if (m.replicator) replicators_[m.id] = m.replicator;
    const bool mate =
        m.stage == options_.stage && m.id != options_.id && m.state != wire::member_state::serving;
    if (mate) {
      mates_[m.id] = m.handle;
    } else {
      mates_.erase(m.id);
    }
    if (!fetch_.active()) continue;
    if (holders_.count(m.id) != 0 && m.replicator) {
      fetch_.add(m.id, m.replicator);
    } else if (mate) {
      fetch_.add(m.id, m.handle);
    }
  }
  if (!fetch_.active()) return;
  fetch_.go_on();
  on_change();
}

bool restorer::joins(const wire::restore& m, promise<wire::position> reply) {
  const auto body = m.read();
  const auto wanted = wanted_by(*body);
  if (!active_ || wanted.version != wanted_.version ||
      (wanted.history != wanted_.history && wanted.history != any_history &&
       wanted_.history != any_history))
    return false;
  begins_ = std::max(begins_, history_id{body->getTerm()});
  for (const auto id : body->getHolders()) {
    const auto holder = wire::from_wire(id);
    const auto replicator = replicators_.find(holder);
    if (!holders_.insert(holder).second || replicator == replicators_.end() || !fetch_.active())
      continue;
    fetch_.add(holder, replicator->second);
  }
  auto restoring = host_.guard().because(refusal_reason::restoring);
  if (fetch_.active()) {
    const auto status = fetch_.machine().status();
    restoring.done_bytes = status.done_bytes;
    restoring.total_bytes = status.total_bytes;
  }
  if (body->getProgress()) {
    reply.deliver(make_error(restoring));
  } else {
    replies_.push_back(std::move(reply));
  }
  while (replies_.size() > restore_repeats_max) {
    replies_.front().deliver(make_error(restoring));
    replies_.pop_front();
  }
  fetch_.go_on();
  return true;
}

void restorer::start(const wire::restore& m, std::function<void()> failed,
                     promise<wire::position> reply) {
  const auto body = m.read();
  refuse();
  fetch_.stop();
  active_ = true;
  finishing_ = false;
  wanted_ = wanted_by(*body);
  begins_ = history_id{body->getTerm()};
  commit_ = {};
  also_.clear();
  failed_ = std::move(failed);
  replies_.assign(1, std::move(reply));
  holders_.clear();
  for (const auto id : body->getHolders())
    holders_.insert(wire::from_wire(id));
  if (!import_own()) fetch();
}

/// What its own process has costs nobody's line.
bool restorer::import_own() {
  if (options_.snapshots)
    if (const auto kept = options_.snapshots->find(options_.stage, wanted_)) {
      import(*kept, true);
      return true;
    }
  if (!options_.store) return false;
  for (const auto& kept : options_.store->states())
    if (kept.is(wanted_)) {
      import(kept, false);
      return true;
    }
  return false;
}

void restorer::import(const stored_state& own, bool kept) {
  also_ = with_name(own.also, own.history);
  host_.self()
      ->request(options_.compute, caf::infinite, import_atom::value, own.state)
      .then(
          [=, attempt = host_.life().attempt()](const std::string& hash) {
            if (attempt != host_.life().attempt()) return;
            commit_ = own.commit;
            if (wanted_.history == any_history) wanted_.history = own.history;
            if (kept)
              options_.snapshots->put(options_.stage,
                                      {wanted_.version, own.state, own.commit, begins_, also_});
            ready(hash, !kept);
          },
          [=, attempt = host_.life().attempt()](caf::error&) {
            if (attempt == host_.life().attempt()) give_up();
          });
}

void restorer::fetch() {
  // Nobody can be asked: not even how large the engine's state is matters then.
  const bool any = std::any_of(holders_.begin(), holders_.end(),
                               [&](worker_id id) { return replicators_.count(id) != 0; });
  if (!any) return give_up();
  host_.self()
      ->request(options_.compute, caf::infinite, elements_atom::value)
      .then(
          [=, attempt = host_.life().attempt()](int64_t elements) {
            if (attempt != host_.life().attempt()) return;
            download_options options;
            options.elements = static_cast<uint64_t>(elements);
            options.shard_elements = shard_elements_of(options_.chunk_bytes);
            options.first_patience_s = seconds_of(options_.chunk_timeout);
            options.pause_s = seconds_of(options_.fetch_retry);
            options.window_bytes_max = options_.download_window_bytes;
            options.seed = options_.id.peer.value();
            options.only = wanted_;
            fetch_.clear();
            fetch_.start(options_.stage, options);
            for (const auto& [id, handle] : mates_)
              fetch_.add(id, handle);
            for (const auto& id : holders_)
              if (replicators_.count(id) != 0) fetch_.add(id, replicators_.at(id));
            fetch_.go_on();
            on_change();
          },
          [=](caf::error& error) { host_.self()->quit(std::move(error)); });
}

void restorer::on_shard(size_t shard, worker_id from, const wire::state_chunk& m) {
  const auto chunk = m.read();
  // Mates that have it from others do not always know.
  const auto commit = commit_in(*chunk);
  if (!commit.attempt.none()) commit_ = commit;
  if (wanted_.history == any_history) wanted_.history = history_id{chunk->getHistory()};
  also_ = names_in(*chunk);
  const auto range = fetch_.machine().range(shard);
  host_.self()
      ->request(options_.compute, caf::infinite, import_atom::value,
                static_cast<int64_t>(range.first), static_cast<int64_t>(range.count), shard_in(m))
      .then(
          [=, attempt = host_.life().attempt()](bool) {
            if (attempt != host_.life().attempt() || !fetch_.active()) return;
            fetch_.machine().placed(shard);
            fetch_.go_on();
            on_change();
          },
          [=, attempt = host_.life().attempt()](caf::error&) {
            if (attempt != host_.life().attempt() || !fetch_.active()) return;
            fetch_.machine().spoiled(shard, from, fetch_.now_s());
            fetch_.go_on();
            on_change();
          });
}

void restorer::on_change() {
  if (!active_ || !fetch_.active() || finishing_) return;
  if (fetch_.machine().complete()) return finish();
  // Mates that have nothing are no hope without somebody who has had it.
  if (fetch_.machine().hopeless()) give_up();
}

void restorer::finish() {
  finishing_ = true;
  host_.self()
      ->request(options_.compute, caf::infinite, hash_atom::value)
      .then(
          [=, attempt = host_.life().attempt()](const std::string& hash) {
            if (attempt == host_.life().attempt()) ready(hash, true);
          },
          [=](caf::error& error) { host_.self()->quit(std::move(error)); });
}

/// `copy`: for others there is none of it yet in this process.
void restorer::ready(const std::string& hash, bool copy) {
  auto& guard = host_.guard();
  active_ = false;
  const auto bytes = fetch_.active() ? fetch_.machine().received_bytes() : 0;
  fetch_.clear();
  guard.resume({begins_, wanted_.version}, commit_);
  host_.known_as(also_);
  host_.report("restored",
               {{"version", wanted_.version.value()}, {"bytes", static_cast<int64_t>(bytes)}});
  host_.serve(hash, copy);
  for (auto& reply : std::exchange(replies_, {}))
    reply.deliver(position_of(options_.id, options_.stage, guard));
}

void restorer::refuse() {
  for (auto& reply : std::exchange(replies_, {}))
    reply.deliver(make_error(errc::no_state));
}

void restorer::give_up() {
  active_ = false;
  fetch_.clear();
  refuse();
  if (auto failed = std::exchange(failed_, nullptr)) failed();
}

}  // namespace swarm::stage
