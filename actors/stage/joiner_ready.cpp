#include <string>
#include <utility>

#include "actors/invariant.hpp"
#include "actors/planted_bug.hpp"
#include "actors/stage/joiner.hpp"
#include "actors/wire/refusal.hpp"

/// How a joiner begins to serve, once all that it needs is in the engine.
namespace swarm::stage {

/// True while it is worth while to wait for a sum, or for a commit.
bool joiner::patient() {
  const auto now = host_.self()->clock().now();
  if (!has_donors()) return false;
  if (!patience_ends_) {
    patience_ends_ = now + options_.chunk_timeout;
    host_.self()->delayed_send(host_.self(), options_.chunk_timeout, fetch_atom::value);
  }
  return now < *patience_ends_;
}

/// All shards are in the engine, at these weights.
void joiner::finish(weights_id weights) {
  auto& guard = host_.guard();
  if (guard.weights() != weights && !planted(planted_bug::follower_skips_a_step)) {
    open_.reset();
    guard.resume(weights, newest_commit_);
  }
  const bool sum_is_coming = reducing_ > 0 && guard.frozen() != guard.sum().attempt;
  if (sum_is_coming && patient()) return;
  const auto number = ++finishes_;
  host_.self()
      ->request(options_.compute, caf::infinite, hash_atom::value)
      .then(
          [=, attempt = host_.life().attempt()](const std::string& hash) {
            if (attempt != host_.life().attempt() || number != finishes_) return;
            weights_hash_ = hash;
            put_in_sum(weights, number);
          },
          [=](caf::error& error) { host_.self()->quit(std::move(error)); });
}

/// What is reduced and not committed yet: the commit finds the sum in the engine.
void joiner::put_in_sum(weights_id weights, uint64_t number) {
  const auto& guard = host_.guard();
  SWARM_INVARIANT(open_ || guard.sum().attempt.none(), "a sum that the guard knows is here");
  if (!open_ || guard.sum().attempt != open_->sum.attempt) return done();
  host_.self()
      ->request(options_.compute, caf::infinite, reduced_atom::value, open_->total)
      .then(
          [=, attempt = host_.life().attempt(), sum = open_->sum,
           total = open_->total](double squared_norm) mutable {
            // The commit, or another round, may have come meanwhile: that finishes anew.
            if (attempt != host_.life().attempt() || number != finishes_) return;
            sum.squared_norm = squared_norm;
            host_.guard().reduced(sum);
            host_.keep({weights.version, sum, total, weights.history});
            done();
          },
          [=](caf::error& error) { host_.self()->quit(std::move(error)); });
}

/// With the sum that it had: it may have been promised to a coordinator.
void joiner::go_on_alone() {
  fetch_.stop();
  host_.self()
      ->request(options_.compute, caf::infinite, clear_atom::value)
      .then(
          [=, attempt = host_.life().attempt()](bool) {
            if (attempt != host_.life().attempt()) return;
            host_.guard().resume(*position_, commit_, sum_);
            host_.report("joined", {{"version", position_->version.value()}, {"followed", 0}});
            host_.serve(weights_hash_, false);
          },
          [=](caf::error& error) { host_.self()->quit(std::move(error)); });
}

void joiner::done() {
  const auto version = host_.guard().version().value();
  host_.report("fetched", {{"version", version},
                           {"bytes", static_cast<int64_t>(fetch_.machine().received_bytes())}});
  host_.report("joined", {{"version", version}, {"followed", followed_}});
  stop();
  if (newest_ == host_.guard().weights()) host_.known_as(std::move(also_));
  host_.serve(weights_hash_, true);
}

bool joiner::resume() {
  if (!options_.store) return false;
  const auto stored = options_.store->state();
  if (!stored) return false;
  host_.lives(life_event::load);
  auto sum = options_.store->sum();
  if (sum && sum->weights() != stored->weights()) sum.reset();
  const auto attempt = host_.life().attempt();
  const auto fail = [=](caf::error& error) { host_.self()->quit(std::move(error)); };
  // Of another model, perhaps: it would not fit the next life either.
  const auto refused = [=, version = stored->version](caf::error& error) {
    if (attempt != host_.life().attempt()) return;
    if (error.category() != wire::refusal_category) return fail(error);
    host_.report("stored_state_refused", {{"version", version.value()}});
    host_.lives(life_event::unfit);
    start(false, {});
  };
  const auto loaded = [=] {
    if (attempt != host_.life().attempt()) return;
    host_.report("joined", {{"version", host_.guard().version().value()}, {"followed", 0}});
    host_.serve(weights_hash_, false);
  };
  host_.self()
      ->request(options_.compute, caf::infinite, import_atom::value, stored->state)
      .then(
          [=, weights = stored->weights(), commit = stored->commit](const std::string& hash) {
            if (attempt != host_.life().attempt()) return;
            weights_hash_ = hash;
            host_.guard().resume(weights, commit, sum ? sum->sum : reduced_sum{});
            if (!sum) return loaded();
            host_.self()
                ->request(options_.compute, caf::infinite, reduced_atom::value, sum->total)
                .then([=](double) { loaded(); }, fail);
          },
          refused);
  return true;
}

}  // namespace swarm::stage
