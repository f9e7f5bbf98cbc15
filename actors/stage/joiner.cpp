#include "actors/stage/joiner.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "actors/invariant.hpp"
#include "actors/planted_bug.hpp"
#include "actors/stage/errc.hpp"
#include "actors/stage/replies.hpp"
#include "actors/wire/refusal.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::stage {

using tensors::host_tensor;

void joiner::clear() {
  fetch_ = {};
  log_.clear();
}

void joiner::start(bool has_state, step_id wanted) {
  active_ = true;
  standing_.reset();
  if (has_state) standing_ = host_.guard().version();
  commit_ = host_.guard().committed();
  sum_ = host_.guard().sum();
  wanted_ = wanted;
  old_versions_ = failures_ = 0;
  followed_ = 0;
  host_.self()->send(host_.self(), fetch_atom::value);
}

void joiner::stop() {
  active_ = following_ = importing_ = false;
  ++generation_;
  fetch_.give_up();
  log_.clear();
  first_.reset();
  base_.reset();
  finished_.reset();
  patience_ends_.reset();
}

void joiner::on_roster(const wire::roster_update& update) {
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
  if (lost && fetch_.version() && planted(planted_bug::dead_donor_taken_as_fresh)) {
    const auto [version, state] = fetch_.take();
    return import(version, state, host_.guard().committed());
  }
  if (lost) return fetch_later("the donor is gone", true);
  if (!has_donors()) go_on_if_finished();
}

void joiner::fetch_later(const char* why, bool resumable) {
  host_.report("fetch_failed", {{"why", std::string{why}}});
  if (resumable) {
    fetch_.switch_donor();
  } else {
    fetch_.give_up();
  }
  if (!fetch_.version()) base_.reset();
  ++generation_;
  importing_ = false;
  finished_.reset();
  patience_ends_.reset();
  const auto doublings = failures_ > 0 ? std::min(failures_ - 1, fetch_backoffs_max) : 0;
  if (fetch_.has_donors()) ++failures_;
  host_.self()->delayed_send(host_.self(), options_.fetch_retry * (1 << doublings),
                             fetch_atom::value);
}

void joiner::on_fetch() {
  go_on_if_finished();
  if (!active_ || importing_) return;
  if (!fetch_.has_donors()) {
    // All of the stage fell back at once: what we have is the newest there is.
    if (standing_) return go_on_alone();
    return fetch_later("no donor");
  }
  const auto question = fetch_.begin();
  if (!question) return;
  listen();
  host_.report("fetching", {{"version", wanted_.value()}});
  ask_chunk(*question);
}

void joiner::ask_chunk(const question& asked) {
  host_.self()
      ->request(asked.donor, options_.chunk_timeout,
                request_of(options_.stage, asked.version, asked.offset_bytes))
      .then(
          [=](const wire::state_chunk& m) {
            if (fetch_.open(asked)) on_chunk(asked, m);
          },
          [=](caf::error&) {
            if (fetch_.open(asked)) fetch_later("donor failed", true);
          });
}

void joiner::on_chunk(const question& asked, const wire::state_chunk& m) {
  if (m.fault()) return fetch_later("damaged chunk", true);
  const auto chunk = m.read();
  const auto bytes = chunk->getBytes();
  const step_id offered{chunk->getVersion()};
  const bool old = offered < wanted_ || (!base_ && first_ && offered < *first_);
  if (old && old_versions_ < old_versions_max) {
    ++old_versions_;
    return fetch_later("the donor is not there yet either");
  }
  const auto commit = commit_in(*chunk);
  switch (fetch_.accept(step_id{chunk->getVersion()}, chunk->getTotalBytes(),
                        chunk->getOffsetBytes(), chunk->getChecksum(), bytes.begin(),
                        bytes.size())) {
    case state_assembly::progress::more:
      follow(offered, commit);
      return ask_chunk(fetch_.next(asked));
    case state_assembly::progress::complete: {
      const auto [version, state] = fetch_.take();
      host_.report("fetched",
                   {{"version", version.value()}, {"bytes", static_cast<int64_t>(state.bytes())}});
      follow(version, commit);
      return import(version, state, commit);
    }
    case state_assembly::progress::stale:
      return fetch_later("the donor moved on");
    case state_assembly::progress::damaged:
      return fetch_later("the checksum is wrong");
  }
}

// -- following ----------------------------------------------------------------------------------

void joiner::listen() {
  if (std::exchange(following_, true)) return;
  log_.clear();
  first_.reset();
  host_.announce(wire::member_state::following);
}

/// A state of this version is on its way.
void joiner::follow(step_id version, const last_commit& made_by) {
  if (std::exchange(base_, base_.value_or(version)) != std::nullopt) return;
  auto& guard = host_.guard();
  if (first_ && *first_ <= version && version <= guard.version()) {
    log_.forget_before(version);
    if (version == guard.version()) guard.made_by(made_by);
    return;
  }
  miss_until(version);
  guard.resume(version, made_by);
}

void joiner::miss_until(step_id step) {
  log_.clear();
  first_ = step;
  host_.guard().advance(step);
}

void joiner::on_reduce(const wire::reduce& m, promise<wire::reduced> reply) {
  auto& guard = host_.guard();
  const auto when = wire::epoch_of(*m.read());
  // A follower has nothing to report, so it is not asked to gather.
  if (auto why = guard.gather(when.term, when.step, when.round)) {
    if (why->reason != refusal_reason::behind || planted(planted_bug::follower_skips_a_step))
      return static_cast<void>(reply.deliver(make_error(*why)));
    if (base_) fetch_later("missed a step while following");
    miss_until(when.step);
    if (auto again = guard.gather(when.term, when.step, when.round))
      return static_cast<void>(reply.deliver(make_error(*again)));
  }
  if (log_.full()) {
    reply.deliver(
        make_error(refusal{refusal_reason::overloaded, guard.term(), guard.version(), {}}));
    if (base_) fetch_later("the download takes too many steps");
    return miss_until(when.step);
  }
  if (!first_) first_ = when.step;
  take_part(m, when, reply);
}

void joiner::take_part(const wire::reduce& m, wire::epoch when, promise<wire::reduced> reply) {
  ++reducing_;
  const auto fail = [=](caf::error& error) mutable {
    reply.deliver(std::move(error));
    reduce_ended();
  };
  const attempt_id attempt{when.term, when.round};
  const auto counted = m.read()->getCounted();
  host_.self()
      ->request(options_.compute, caf::infinite, sum_atom::value)
      .then(
          [=](const host_tensor& shape) {
            host_.self()
                ->request(options_.averager, caf::infinite, m, shape)
                .then(
                    [=](const host_tensor& total, const std::string& hash) mutable {
                      auto& guard = host_.guard();
                      if (!following_ || guard.version() != when.step ||
                          guard.frozen() != attempt) {
                        reply.deliver(make_error(refusal{
                            refusal_reason::wrong_round, guard.term(), guard.version(), {}}));
                        return reduce_ended();
                      }
                      const reduced_sum sum{attempt, hash, 0, counted};
                      log_.reduced(when.step, sum, total);
                      guard.reduced(sum);
                      reply.deliver(reduced_of(options_.id, when, sum));
                      reduce_ended();
                    },
                    fail);
          },
          fail);
}

void joiner::reduce_ended() {
  --reducing_;
  go_on_if_finished();
}

void joiner::on_commit(const wire::commit& m, promise<wire::committed> reply) {
  auto& guard = host_.guard();
  const auto body = m.read();
  const auto when = wire::epoch_of(*body);
  const attempt_id attempt{term_id{body->getReducedTerm()}, when.round};
  const auto why = guard.commit(when.term, when.step, attempt);
  if (!why) {
    log_.committed(when.step, body->getScale(), body->getCounted());
    guard.commit_applied(body->getScale(), body->getCounted());
    reply.deliver(committed_of(options_.id, guard.version(), ""));
    return go_on_if_finished();
  }
  reply.deliver(make_error(*why));
  if (why->reason != refusal_reason::behind && why->reason != refusal_reason::wrong_round) return;
  if (planted(planted_bug::follower_skips_a_step)) return guard.advance(when.step.next());
  if (base_) fetch_later("missed a step while following");
  miss_until(when.step.next());
}

// -- ready --------------------------------------------------------------------------------------

void joiner::import(step_id version, const host_tensor& state, const last_commit& made_by) {
  importing_ = true;
  host_.self()
      ->request(options_.compute, caf::infinite, import_atom::value, state)
      .then(
          [=, generation = generation_](const std::string& hash) {
            // Else a stage that lives on in newcomers only has no copy to go back to.
            if (options_.vault) options_.vault->put(options_.stage, {version, state, made_by});
            standing_ = version;
            commit_ = made_by;
            sum_ = {};
            weights_hash_ = hash;
            if (generation == generation_) catch_up(version);
          },
          [=, generation = generation_](caf::error&) {
            if (generation == generation_) fetch_later("the state does not fit this stage");
          });
}

/// The engine stands at `version`; the guard may be steps ahead.
void joiner::catch_up(step_id version) {
  if (auto step = log_.take_committed(version)) return apply(version, *step);
  if (planted(planted_bug::follower_skips_a_step)) return done(host_.guard().version());
  SWARM_INVARIANT(version == host_.guard().version(), "a follower misses no step");
  if (waits_for_sum(version)) return;
  const auto* open = log_.open(version);
  if (open == nullptr || host_.guard().sum().attempt != open->sum.attempt) return done(version);
  // Reduced but not committed yet: the commit finds the sum in the engine.
  host_.self()
      ->request(options_.compute, caf::infinite, reduced_atom::value, open->total)
      .then(
          [=, generation = generation_, sum = open->sum,
           total = open->total](double squared_norm) mutable {
            if (generation != generation_) return;
            // The commit, or another attempt, may have come meanwhile.
            auto& guard = host_.guard();
            if (guard.version() != version || guard.sum().attempt != sum.attempt)
              return catch_up(version);
            sum.squared_norm = squared_norm;
            guard.reduced(sum);
            host_.keep({version, sum, total});
            done(version);
          },
          [=, generation = generation_](caf::error&) {
            if (generation == generation_) fetch_later("the sum does not fit this stage");
          });
}

/// Else it would serve without it, and fetch all again when it is committed.
bool joiner::waits_for_sum(step_id version) {
  const auto& guard = host_.guard();
  if (reducing_ == 0 || !has_donors() || guard.frozen() == guard.sum().attempt) return false;
  const auto now = host_.self()->clock().now();
  if (!patience_ends_) {
    patience_ends_ = now + options_.chunk_timeout;
    host_.self()->delayed_send(host_.self(), options_.chunk_timeout, fetch_atom::value);
  }
  if (*patience_ends_ <= now) return false;
  finished_ = version;
  return true;
}

void joiner::go_on_if_finished() {
  if (const auto version = std::exchange(finished_, std::nullopt)) catch_up(*version);
}

void joiner::apply(step_id version, const follow_log::entry& step) {
  const auto fail = [=, generation = generation_](caf::error&) {
    if (generation == generation_) fetch_later("a followed step could not be applied");
  };
  // The compute actor works in order.
  host_.self()
      ->request(options_.compute, caf::infinite, reduced_atom::value, step.total)
      .then([](double) {}, fail);
  host_.self()
      ->request(options_.compute, caf::infinite, apply_atom::value, version.value(), *step.scale)
      .then(
          [=, generation = generation_, attempt = step.sum.attempt, scale = *step.scale,
           counted = step.counted](const std::string& hash) {
            standing_ = version.next();
            commit_ = {attempt, scale, counted};
            weights_hash_ = hash;
            ++followed_;
            if (generation == generation_) catch_up(version.next());
          },
          fail);
}

/// With the sum that it had: it may have been promised to a coordinator.
void joiner::go_on_alone() {
  importing_ = true;
  host_.self()
      ->request(options_.compute, caf::infinite, clear_atom::value)
      .then(
          [=, generation = generation_](bool) {
            if (generation != generation_) return;
            auto& guard = host_.guard();
            guard.resume(*standing_, commit_, sum_);
            done(guard.version());
          },
          [=](caf::error& error) { host_.self()->quit(std::move(error)); });
}

void joiner::done(step_id version) {
  SWARM_INVARIANT(version == host_.guard().version() || planted(planted_bug::follower_skips_a_step),
                  "the engine stands where the guard says");
  host_.report("joined", {{"version", version.value()}, {"followed", followed_}});
  stop();
  host_.serve(weights_hash_);
}

bool joiner::resume() {
  if (!options_.store) return false;
  const auto stored = options_.store->state();
  if (!stored) return false;
  active_ = importing_ = true;
  auto sum = options_.store->sum();
  if (sum && sum->step != stored->version) sum.reset();
  const auto fail = [=](caf::error& error) { host_.self()->quit(std::move(error)); };
  // Of another model, perhaps: it would not fit the next life either.
  const auto refused = [=, version = stored->version](caf::error& error) {
    if (error.category() != wire::refusal_category) return fail(error);
    host_.report("stored_state_refused", {{"version", version.value()}});
    importing_ = false;
    start(false, step_id{0});
  };
  host_.self()
      ->request(options_.compute, caf::infinite, import_atom::value, stored->state)
      .then(
          [=, version = stored->version, commit = stored->commit](const std::string& hash) {
            weights_hash_ = hash;
            host_.guard().resume(version, commit, sum ? sum->sum : reduced_sum{});
            if (!sum) return done(version);
            host_.self()
                ->request(options_.compute, caf::infinite, reduced_atom::value, sum->total)
                .then([=](double) { done(version); }, fail);
          },
          refused);
  return true;
}

}  // namespace swarm::stage
