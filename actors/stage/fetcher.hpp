#pragma once

#include <algorithm>
#include <caf/actor_cast.hpp>
#include <caf/duration.hpp>
#include <caf/typed_actor.hpp>
#include <chrono>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "actors/actor_body.hpp"
#include "actors/stage/download.hpp"
#include "actors/stage/errc.hpp"
#include "actors/stage/replies.hpp"
#include "actors/wire/refusal.hpp"
#include "actors/wire/roster.hpp"

namespace swarm::stage {

/// Whoever hands out states: a worker, or a replicator.
using state_donor = caf::typed_actor<caf::replies_to<wire::state_request>::with<wire::state_chunk>>;

/// What becomes of a download's answers.
class fetch_listener {
 public:
  virtual ~fetch_listener() = default;

  /// A shard has come: put it in its place, and say so to the machine.
  virtual void on_shard(size_t shard, worker_id from, const wire::state_chunk& m) = 0;
  /// Something has changed, or time has passed. May stop or restart the fetcher.
  virtual void on_change() = 0;
};

/// Runs a download for an actor: sends its questions, reads the answers, and has the actor woken
/// (`wake` is to send it a message after that time, whose handler calls `on_wake`).
template <class Self>
class fetcher {
 public:
  using waker = std::function<void(std::chrono::nanoseconds)>;

  fetcher(std::function<Self*()> self, fetch_listener& listener, waker wake)
      : self_(std::move(self)), listener_(listener), wake_(std::move(wake)) {}

  /// Whom to ask, now and in downloads to come.
  void add(worker_id id, const caf::actor& donor) {
    donors_[id] = caf::actor_cast<state_donor>(donor);
    if (machine_) machine_->add(id);
  }
  /// False: it was none.
  bool remove(worker_id id) {
    if (donors_.erase(id) == 0) return false;
    if (machine_) machine_->remove(id);
    return true;
  }
  bool has(worker_id id) const { return donors_.count(id) != 0; }
  bool has_donors() const { return !donors_.empty(); }

  void start(stage_id stage, const download_options& options) {
    stop();
    stage_ = stage;
    machine_.emplace(options);
    for (const auto& [id, donor] : donors_)
      machine_->add(id);
  }
  void stop() {
    machine_.reset();
    newer_than_.reset();
    ++run_;
  }
  void clear() {
    stop();
    donors_.clear();
  }

  bool active() const { return machine_.has_value(); }
  download& machine() { return *machine_; }
  const download& machine() const { return *machine_; }

  /// Donors that have nothing newer are to say so.
  void want_newer_than(std::optional<weights_id> weights) { newer_than_ = weights; }

  /// Asks whatever may be asked now.
  void go_on() { go_on(now_s()); }

  void on_wake() {
    if (!machine_) return;
    double now = now_s();
    // Another one may be on its way, for something later.
    if (wakes_at_s_ && *wakes_at_s_ <= now + early_s) {
      now = std::max(now, *wakes_at_s_);
      wakes_at_s_.reset();
    }
    go_on(now);
    if (machine_) listener_.on_change();
  }

  double now_s() const { return clock_s(*self_()); }

 private:
  /// Clocks count whole nanoseconds, and seconds since some boot lose a few of them.
  static constexpr double early_s = 1e-6;

  void go_on(double now) {
    if (!machine_) return;
    machine_->expire(now);
    for (const auto& q : machine_->ask(now))
      send(q);
    wake_later(now);
  }

  void send(const download::question& q) {
    self_()
        ->request(donors_.at(q.donor), caf::infinite, request_of(stage_, q, newer_than_))
        .then(
            [this, q, run = run_](const wire::state_chunk& m) {
              if (run == run_) on_chunk(q, m);
            },
            [this, q, run = run_](caf::error& error) {
              if (run == run_) on_error(q, error);
            });
  }

  void on_chunk(const download::question& q, const wire::state_chunk& m) {
    if (m.fault()) {
      machine_->failed(q.number, now_s());
    } else if (machine_->answered(q.number, answer_in(m), now_s()) == download::verdict::taken) {
      listener_.on_shard(q.shard, q.donor, m);
    }
    after_answer();
  }

  void on_error(const download::question& q, const caf::error& error) {
    const auto refused = wire::refusal_reason(error);
    if (error == make_error(errc::no_state)) {
      machine_->refused(q.number, download::refusal::nothing, now_s());
    } else if (refused == schemas::Refusal::Reason::RESTORING) {
      machine_->refused(q.number, download::refusal::shard, now_s());
    } else {
      machine_->failed(q.number, now_s());
    }
    after_answer();
  }

  void after_answer() {
    const auto run = run_;
    listener_.on_change();
    if (run == run_) go_on();
  }

  void wake_later(double now) {
    const auto at_s = machine_->wakes_at_s();
    if (!at_s || *at_s <= now || (wakes_at_s_ && now < *wakes_at_s_ && *wakes_at_s_ <= *at_s))
      return;
    wakes_at_s_ = at_s;
    wake_(std::chrono::nanoseconds{static_cast<int64_t>(std::ceil((*at_s - now) * 1e9 - 1e-3))});
  }

  std::function<Self*()> self_;
  fetch_listener& listener_;
  waker wake_;
  stage_id stage_{0};
  std::map<worker_id, state_donor> donors_;
  std::optional<download> machine_;
  std::optional<weights_id> newer_than_;
  std::optional<double> wakes_at_s_;
  uint64_t run_ = 0;  ///< of downloads: answers to an earlier one are late
};

}  // namespace swarm::stage
