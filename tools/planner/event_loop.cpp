#include "tools/planner/event_loop.hpp"

#include <algorithm>

namespace swarm::planner {

namespace {

/// Of a job's seconds: less than this is rounding.
constexpr double negligible_s = 1e-12;

}  // namespace

void event_loop::at(double when, action what) {
  events_.push({std::max(when, now_), next_++, std::move(what)});
}

bool event_loop::step() {
  if (events_.empty()) return false;
  const auto next = events_.top();
  events_.pop();
  now_ = next.when;
  next.what();
  return true;
}

double shared_cores::rate() const {
  const auto jobs = static_cast<double>(jobs_.size());
  return std::min(1.0, cores_ / std::max(jobs, 1.0));
}

void shared_cores::run(double seconds, event_loop::action done) {
  if (cores_ <= 0) return loop_.after(seconds, std::move(done));
  advance();
  jobs_.push_back({seconds, next_++, std::move(done)});
  plan();
}

void shared_cores::advance() {
  const double done = (loop_.now() - advanced_to_) * rate();
  for (auto& each : jobs_)
    each.left -= done;
  advanced_to_ = loop_.now();
}

void shared_cores::plan() {
  if (jobs_.empty()) return;
  const auto first = std::min_element(jobs_.begin(), jobs_.end(),
                                      [](const job& a, const job& b) { return a.left < b.left; });
  loop_.after(std::max(first->left, 0.0) / rate(), [this, version = ++version_] {
    if (version == version_) finish();
  });
}

void shared_cores::finish() {
  advance();
  std::vector<job> ended;
  const auto over = [](const job& j) { return j.left <= negligible_s; };
  std::copy_if(jobs_.begin(), jobs_.end(), std::back_inserter(ended), over);
  jobs_.erase(std::remove_if(jobs_.begin(), jobs_.end(), over), jobs_.end());
  plan();
  for (auto& each : ended)
    each.done();
}

void serial_device::submit(double seconds, event_loop::action done) {
  waiting_.emplace_back(seconds, std::move(done));
  if (!busy_) start();
}

void serial_device::start() {
  busy_ = true;
  auto [seconds, done] = std::move(waiting_.front());
  waiting_.pop_front();
  worked_s_ += seconds;
  cores_.run(seconds, [this, done = std::move(done)] {
    busy_ = false;
    if (!waiting_.empty()) start();
    done();
  });
}

}  // namespace swarm::planner
