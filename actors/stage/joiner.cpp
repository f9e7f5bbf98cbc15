#include "actors/stage/joiner.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "actors/invariant.hpp"
#include "actors/planted_bug.hpp"
#include "actors/stage/errc.hpp"
#include "actors/stage/replies.hpp"
#include "actors/stage/state_transfer.hpp"
#include "actors/wire/refusal.hpp"
#include "actors/wire/ticket.hpp"

namespace swarm::stage {

using tensors::host_tensor;

namespace {

/// Between two words of how far it is.
constexpr double tell_every_s = 5;
/// In a stage with so many donors a joiner leaves the line to an all-reduce.
constexpr size_t sparing_donors = 8;

double seconds_of(std::chrono::milliseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

joiner::joiner(worker_host& host, const stage_worker_options& options)
    : host_(host),
      options_(options),
      fetch_([&host] { return host.self(); }, *this,
             [&host](std::chrono::nanoseconds after) {
               host.self()->delayed_send(host.self(), after, fetch_atom::value);
             }),
      turn_(options.id) {}

void joiner::start(bool has_state, weights_id wanted) {
  auto& guard = host_.guard();
  position_.reset();
  if (has_state) position_ = guard.weights();
  commit_ = guard.committed();
  sum_ = guard.sum();
  // A commit of it would find nothing to carry out.
  guard.reducing({});
  wanted_ = wanted;
  followed_ = 0;
  sum_shards_.reset();
  if (elements_ > 0) return begin();
  host_.self()
      ->request(options_.compute, caf::infinite, elements_atom::value)
      .then(
          [=, attempt = host_.life().attempt()](int64_t elements) {
            elements_ = static_cast<uint64_t>(elements);
            if (attempt == host_.life().attempt()) begin();
          },
          [=](caf::error& error) { host_.self()->quit(std::move(error)); });
}

void joiner::begin() {
  download_options options;
  options.elements = elements_;
  options.shard_elements = shard_elements_of(options_.chunk_bytes);
  options.first_patience_s = seconds_of(options_.chunk_timeout);
  options.pause_s = seconds_of(options_.fetch_retry);
  options.window_bytes_max = options_.download_window_bytes;
  options.seed = options_.id.peer.value();
  fetch_.start(options_.stage, options);
  newest_.reset();
  newest_commit_ = {};
  shard_has_come_ = false;
  open_.reset();
  patience_ends_.reset();
  alone_told_ = false;
  // Back to what the stage has.
  if (!position_ && wanted_ < host_.guard().weights()) host_.guard().resume(wanted_, {});
  if (wanted_ > weights_id{}) require(wanted_);
  look();
}

void joiner::stop() {
  fetch_.stop();
  open_.reset();
  refuse_early_commit();
  patience_ends_.reset();
  turn_ends_.reset();
  ++finishes_;
}

void joiner::require(weights_id floor) {
  if (planted(planted_bug::chunks_of_two_versions)) return;
  fetch_.machine().require(floor);
  fetch_.want_newer_than(weights_id{floor.history, step_id{floor.version.value() - 1}});
}

/// Asks whoever may be asked; without anybody it waits, or goes on with what it has.
void joiner::look() {
  if (!fetch_.active()) return;
  if (has_donors()) {
    if (host_.life().state() == life_state::waiting) {
      if (!is_its_turn()) return;
      host_.lives(life_event::donor);
      host_.announce(wire::member_state::following);
      host_.report("fetching", {{"version", wanted_.version.value()}});
    }
    return fetch_.go_on();
  }
  // All of the stage fell back at once: what we have is the newest there is.
  if (position_ && !fetch_.machine().begun()) return go_on_alone();
  if (!std::exchange(alone_told_, true)) host_.report("fetch_failed", {{"why", "no donor"}});
}

bool joiner::is_its_turn() {
  const auto now = host_.self()->clock().now();
  impatient_ = turn_ends_ && now >= *turn_ends_;
  if (turn_.has_come() || impatient_) {
    turn_ends_.reset();
    return true;
  }
  if (!turn_ends_) {
    const auto patience = turn_patience * options_.chunk_timeout;
    turn_ends_ = now + patience;
    host_.self()->delayed_send(host_.self(), patience, fetch_atom::value);
    host_.report("waits_turn", {{"ahead", static_cast<int64_t>(turn_.ahead())}});
  }
  return false;
}

void joiner::step_back() {
  host_.lives(life_event::yield);
  host_.announce(wire::member_state::joining);
  begin();
}

void joiner::on_roster(const wire::roster_update& update) {
  bool changed = false;
  for (const auto& id : update.gone) {
    turn_.gone(id);
    changed |= fetch_.remove(id) || turn_ends_;
  }
  for (const auto& member : update.changed) {
    if (member.role != wire::member_role::stage_worker || member.stage != options_.stage ||
        member.id == options_.id)
      continue;
    turn_.is(member.id, member.state);
    changed |= turn_ends_.has_value();
    if (member.state == wire::member_state::serving) {
      fetch_.add(member.id, member.handle);
      changed = true;
    } else {
      changed |= fetch_.remove(member.id);
    }
  }
  if (fetch_.active() && host_.life().state() == life_state::fetching &&
      !fetch_.machine().begun() && !impatient_ && turn_.is_too_many())
    return step_back();
  if (!changed || !fetch_.active()) return;
  if (!has_donors() && fetch_.machine().begun() && planted(planted_bug::dead_donor_taken_as_fresh))
    return finish(*newest_);
  look();
  if (fetch_.active() && !has_donors()) on_change();
}

void joiner::on_wake() {
  if (host_.life().state() == life_state::waiting) return look();
  fetch_.on_wake();
}

// -- what comes -----------------------------------------------------------------------------------

void joiner::on_shard(size_t shard, worker_id from, const wire::state_chunk& m) {
  const auto chunk = m.read();
  const weights_id weights{history_id{chunk->getHistory()}, step_id{chunk->getVersion()}};
  adopt(weights, commit_in(*chunk), names_in(*chunk));
  const auto range = fetch_.machine().range(shard);
  // Nothing but a mistake of ours makes a hole.
  if (shard > 0 && planted(planted_bug::checksum_not_compared))
    return fetch_.machine().placed(shard);
  host_.self()
      ->request(options_.compute, caf::infinite, import_atom::value,
                static_cast<int64_t>(range.first), static_cast<int64_t>(range.count), shard_in(m))
      .then(
          [=, attempt = host_.life().attempt()](bool) {
            if (attempt != host_.life().attempt() || !fetch_.active()) return;
            fetch_.machine().placed(shard);
            on_change();
            fetch_.go_on();
          },
          [=, attempt = host_.life().attempt()](caf::error&) {
            if (attempt != host_.life().attempt() || !fetch_.active()) return;
            host_.report("fetch_failed", {{"why", "the state does not fit this stage"}});
            fetch_.machine().spoiled(shard, from, fetch_.now_s());
            fetch_.go_on();
          });
}

/// The guard must not know a sum that is not here: its commit would find another one in the engine.
void joiner::forget_sum() {
  open_.reset();
  host_.guard().reducing({});
}

/// A shard of these weights has come, and stays whatever the guard makes of it.
void joiner::adopt(weights_id weights, const last_commit& made_by, history_names also) {
  auto& guard = host_.guard();
  if (!newest_ || *newest_ < weights) {
    newest_ = weights;
    newest_commit_ = made_by;
    also_ = std::move(also);
  }
  const bool first = !std::exchange(shard_has_come_, true);
  const bool newer =
      guard.weights() < weights && (guard.history() < weights.history || !mid_step());
  // With the first one, whatever it has refused while it waited is forgotten.
  const bool later = newer || (first && guard.weights() == weights && !mid_step());
  const bool accepted_as_older = weights < guard.weights() && !fetch_.machine().floor();
  if (later || accepted_as_older) {
    open_.reset();
    guard.resume(weights, made_by);
    if (later) require(weights);
  }
  if (weights == guard.weights() && guard.committed().attempt.none()) guard.made_by(made_by);
}

void joiner::on_change() {
  if (!fetch_.active()) return;
  auto& machine = fetch_.machine();
  if (machine.older_in_a_row() >= old_answers_max) {
    machine.require_nothing();
    fetch_.want_newer_than(std::nullopt);
  }
  report_progress();
  const bool mixed = planted(planted_bug::chunks_of_two_versions) && machine.all_here();
  const auto whole = mixed ? machine.newest() : machine.complete();
  if (whole) {
    if (host_.life().state() == life_state::fetching) host_.lives(life_event::whole);
    if (host_.life().state() == life_state::finishing) finish(*whole);
    return;
  }
  if (host_.life().state() == life_state::finishing) {
    host_.lives(life_event::missed);
    ++finishes_;
  }
  // Of two versions, and no commit that would make them one.
  if (machine.mixed() && (!mid_step() || !patient())) {
    const auto newest = *machine.newest();
    if (host_.guard().weights() < newest) host_.guard().resume(newest, newest_commit_);
    forget_sum();
    require(newest);
    fetch_.go_on();
  }
}

void joiner::report_progress() {
  const double now = fetch_.now_s();
  if (now - told_s_ < tell_every_s) return;
  told_s_ = now;
  const auto status = fetch_.machine().status();
  host_.report("joining", {{"bytes", static_cast<int64_t>(status.done_bytes)},
                           {"total_bytes", static_cast<int64_t>(status.total_bytes)},
                           {"bytes_per_s", status.bytes_per_s},
                           {"rest_s", status.rest_s.value_or(-1)}});
}

// -- following ------------------------------------------------------------------------------------

void joiner::miss_until(step_id step, const char* why) {
  auto& guard = host_.guard();
  // All shards were here, the hash is asked for, and the step that this guard goes on to was not
  // put in: what the engine answers is of the weights before it.
  ++finishes_;
  if (fetch_.machine().begun()) host_.report("refetch", {{"why", std::string{why}}});
  open_.reset();
  patience_ends_.reset();
  refuse_early_commit();
  guard.advance(step);
  require(guard.weights());
  on_change();
  fetch_.go_on();
}

void joiner::on_reduce(const wire::reduce& m, promise<wire::reduced> reply) {
  auto& guard = host_.guard();
  if (!fetch_.active())
    return static_cast<void>(reply.deliver(make_error(guard.because(refusal_reason::not_serving))));
  const auto when = wire::step_round_of(*m.read());
  // A follower has nothing to report, so it is not asked to gather.
  if (auto why = guard.gather(when.term, when.step, when.round)) {
    if (why->reason != refusal_reason::behind || planted(planted_bug::follower_skips_a_step))
      return static_cast<void>(reply.deliver(make_error(*why)));
    if (reducing_ > 0) took_too_much();
    miss_until(when.step, "missed a step while following");
    if (auto again = guard.gather(when.term, when.step, when.round))
      return static_cast<void>(reply.deliver(make_error(*again)));
  }
  take_part(m, when, reply);
}

void joiner::take_part(const wire::reduce& m, wire::step_round when, promise<wire::reduced> reply) {
  ++reducing_;
  share_line();
  const auto fail = [=](caf::error& error) mutable {
    reply.deliver(std::move(error));
    reduce_ended();
  };
  const attempt_id attempt{when.term, when.round};
  const auto counted = m.read()->getCounted();
  const auto take = [=](const host_tensor& total, const std::string& hash) mutable {
    auto& guard = host_.guard();
    if (!host_.life().follows() || guard.version() != when.step || guard.frozen() != attempt) {
      reply.deliver(
          make_error(refusal{refusal_reason::wrong_round, guard.term(), guard.version(), {}}));
      return reduce_ended();
    }
    const reduced_sum sum{attempt, hash, 0, counted};
    open_ = open_step{sum, total};
    guard.reduced(sum);
    reply.deliver(reduced_of(options_.id, when, sum));
    reduce_ended();
  };
  host_.self()
      ->request(options_.compute, caf::infinite, sum_atom::value)
      .then(
          [=](const host_tensor& shape) {
            host_.self()->request(options_.averager, caf::infinite, m, shape).then(take, fail);
          },
          fail);
}

/// While a sum is coming so many shards are asked for as have left it time enough: behind them, on
/// the line of one donor, it takes longer than a step may, and a sum that is missed costs all that
/// is here. So before the first one is here the line is spared; then shards of half a
/// sum's bytes may come beside it, a quarter more each time that it was here before the
/// commit, half as many after a miss, and never again nearly as many as were too many. In a large
/// stage one more member hardly counts, and all of them would wait for the donors' lines.
void joiner::share_line() {
  if (!fetch_.active()) return;
  auto& machine = fetch_.machine();
  const bool coming = reducing_ > 0;
  machine.allow(coming ? sum_shards_ : std::nullopt);
  machine.spare(coming && (!sum_shards_ || machine.donors() >= sparing_donors));
  fetch_.go_on();
}

void joiner::took_too_much() {
  if (!sum_shards_) return;
  const auto asked = fetch_.machine().asked_since();
  too_many_shards_ = std::min(too_many_shards_, asked);
  sum_shards_ = asked / 2;
}

void joiner::reduce_ended() {
  --reducing_;
  if (fetch_.active() && open_) {
    // A third of the state's bytes are a sum's.
    const auto half_a_sum = fetch_.machine().shards() / 6 + 1;
    if (!sum_shards_) {
      sum_shards_ = half_a_sum;
    } else if (!early_) {
      sum_shards_ = std::min(*sum_shards_ + 1 + *sum_shards_ / 4, too_many_shards_ / 4 * 3);
    }
  }
  if (reducing_ == 0) share_line();
  if (auto early = std::exchange(early_, std::nullopt)) on_commit(early->order, early->reply);
  on_change();
}

bool joiner::comes_too_early(const wire::step_round& when, attempt_id attempt) {
  const auto& guard = host_.guard();
  return reducing_ > 0 && guard.version() == when.step && guard.frozen() == attempt &&
         guard.sum().attempt != attempt;
}

void joiner::refuse_early_commit() {
  if (auto early = std::exchange(early_, std::nullopt))
    early->reply.deliver(make_error(host_.guard().because(refusal_reason::wrong_round)));
}

void joiner::on_commit(const wire::commit& m, promise<wire::committed> reply) {
  auto& guard = host_.guard();
  if (!fetch_.active())
    return static_cast<void>(reply.deliver(make_error(guard.because(refusal_reason::not_serving))));
  const auto body = m.read();
  const auto when = wire::step_round_of(*body);
  const attempt_id attempt{term_id{body->getReducedTerm()}, when.round};
  const auto why = guard.commit(when.term, when.step, attempt);
  if (!why) {
    apply(body->getScale());
    guard.commit_applied(body->getScale(), body->getCounted());
    require(guard.weights());
    reply.deliver(committed_of(options_.id, guard.version(), ""));
    on_change();
    return fetch_.go_on();
  }
  if (why->reason == refusal_reason::wrong_round && comes_too_early(when, attempt)) {
    refuse_early_commit();
    early_ = early_commit{m, reply};
    return;
  }
  reply.deliver(make_error(*why));
  if (why->reason != refusal_reason::behind && why->reason != refusal_reason::wrong_round) return;
  if (planted(planted_bug::follower_skips_a_step)) {
    fetch_.machine().advance(guard.weights(), {guard.history(), when.step.next()});
    guard.advance(when.step.next());
    return on_change();
  }
  miss_until(when.step.next(), "missed a step while following");
}

/// On what stands where the step begins. Precondition: the guard has its sum, and so has this.
void joiner::apply(double scale) {
  const auto from = host_.guard().weights();
  const auto step = std::exchange(open_, std::nullopt);
  patience_ends_.reset();
  ++followed_;
  const auto runs = fetch_.machine().advance(from, from.next());
  if (runs.empty()) return;
  SWARM_INVARIANT(step && step->sum.attempt == host_.guard().sum().attempt,
                  "a follower carries out the sum that is committed");
  std::vector<int64_t> flat;
  for (const auto& run : runs) {
    flat.push_back(static_cast<int64_t>(run.first));
    flat.push_back(static_cast<int64_t>(run.count));
  }
  const auto fail = [=, attempt = host_.life().attempt()](caf::error&) {
    if (attempt != host_.life().attempt() || !fetch_.active()) return;
    host_.report("fetch_failed", {{"why", "a followed step could not be applied"}});
    if (host_.life().state() == life_state::finishing) host_.lives(life_event::missed);
    ++finishes_;
    wanted_ = host_.guard().weights();
    begin();
  };
  // The compute actor works in order.
  host_.self()
      ->request(options_.compute, caf::infinite, reduced_atom::value, step->total)
      .then([](double) {}, fail);
  host_.self()
      ->request(options_.compute, caf::infinite, apply_atom::value, from.version.value(), scale,
                std::move(flat))
      .then([](bool) {}, fail);
}

}  // namespace swarm::stage
