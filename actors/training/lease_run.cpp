#include "actors/training/lease_run.hpp"

#include <utility>

#include "actors/invariant.hpp"

namespace swarm::training {

lease_run::lease_run(lease_item item, round_id round, std::deque<stage_call> calls, uint32_t most)
    : item_(item), round_(round), calls_(std::move(calls)), most_(most) {
  if (calls_.empty()) end(lease_outcome::done, false);
  check_invariants();
}

void lease_run::sent(worker_id worker, uint64_t serial, double now_s) {
  SWARM_INVARIANT(state_ == state::choosing, "a lease has one call out at a time");
  state_ = state::calling;
  worker_ = worker;
  serial_ = serial;
  sent_s_ = now_s;
}

void lease_run::answered() {
  SWARM_INVARIANT(state_ == state::calling, "an answer that counts is to a call that is out");
  next_call();
}

void lease_run::failed(call_failure why, bool at_once) {
  SWARM_INVARIANT(state_ == state::calling, "what fails is a call that is out");
  if (why == call_failure::round_over) return end(lease_outcome::returned, false);
  if (why == call_failure::not_finite) return end(lease_outcome::non_finite, true);
  if (why == call_failure::no_graph && !sends_input_) {
    sends_input_ = true;
    state_ = state::choosing;
    return check_invariants();
  }
  ++retries_;
  if (why == call_failure::misfit && ++misfits_ >= misfits_max)
    return end(lease_outcome::returned, true);
  avoid_.insert(worker_);
  state_ = state::choosing;
  // There is nobody else to ask.
  if (call().only) return nobody();
  if (++attempts_ >= most_) return end(lease_outcome::returned, true);
  if (!at_once) state_ = state::resting;
  check_invariants();
}

void lease_run::nobody() {
  SWARM_INVARIANT(state_ == state::choosing, "only who chooses finds nobody");
  avoid_.clear();
  if (++attempts_ >= most_) return end(lease_outcome::returned, true);
  state_ = state::resting;
  check_invariants();
}

void lease_run::skip() {
  SWARM_INVARIANT(state_ == state::choosing && call().only,
                  "only a call for one worker is skipped");
  next_call();
}

bool lease_run::woken(uint64_t serial) {
  if (state_ != state::resting || serial != serial_) return false;
  state_ = state::choosing;
  return true;
}

void lease_run::next_call() {
  calls_.pop_front();
  attempts_ = misfits_ = 0;
  avoid_.clear();
  sends_input_ = false;
  state_ = state::choosing;
  if (calls_.empty()) end(lease_outcome::done, false);
  check_invariants();
}

void lease_run::end(lease_outcome outcome, bool forget_saved) {
  state_ = state::over;
  outcome_ = outcome;
  forget_saved_ = forget_saved;
  check_invariants();
}

void lease_run::check_invariants() const {
  SWARM_INVARIANT(state_ == state::over || !calls_.empty(), "a lease with calls left is not over");
  SWARM_INVARIANT(outcome_ != lease_outcome::done || state_ != state::over || calls_.empty(),
                  "a lease is done when every call was answered");
  SWARM_INVARIANT(state_ == state::over || attempts_ < most_, "attempts are counted");
}

}  // namespace swarm::training
