#include "experiments/rebalancing_network.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace swarm::experiments {

namespace {

/// A server's mean is of about so many of its last microbatches, and not told before so many.
constexpr int64_t measured_microbatches = 200;
constexpr int64_t measured_microbatches_min = 50;

}  // namespace

closed_network::closed_network(size_t stages, uint64_t seed)
    : random_(seed), stages_(stages), waiting_(stages, 0) {}

size_t closed_network::join(size_t stage, double seconds_per_microbatch, double now) {
  const auto number = servers_.size();
  server s;
  s.stage = stage;
  s.seconds_per_microbatch = seconds_per_microbatch;
  s.place = stages_[stage].size();
  s.queue_since = s.measured_since = now;
  servers_.push_back(s);
  stages_[stage].push_back(number);
  for (auto left = std::exchange(waiting_[stage], 0); left > 0; --left)
    arrive(stage, now);
  return number;
}

void closed_network::leave(size_t number, double now) {
  auto& s = servers_[number];
  auto& home = stages_[s.stage];
  servers_[home.back()].place = s.place;
  std::swap(home[s.place], home.back());
  home.pop_back();
  s.here = false;
  ++s.work;
  for (auto left = std::exchange(s.queue, 0); left > 0; --left)
    arrive(s.stage, now);
}

void closed_network::set_population(int64_t microbatches, double now) {
  wanted_ = microbatches;
  for (; population_ < wanted_; ++population_)
    arrive(0, now);
}

double closed_network::next_event() const {
  return completions_.empty() ? std::numeric_limits<double>::infinity() : completions_.top().time;
}

void closed_network::step() {
  const auto event = completions_.top();
  completions_.pop();
  auto& s = servers_[event.server];
  if (!s.here || s.work != event.work) return;
  s.done = std::min(s.done + 1, measured_microbatches);
  s.mean_seconds += (event.took - s.mean_seconds) / static_cast<double>(s.done);
  change_queue(s, -1, event.time);
  const auto next = s.stage + 1;
  if (s.queue > 0) begin(event.server, event.time);
  if (next < stages_.size()) {
    arrive(next, event.time);
    return;
  }
  ++completed_;
  if (population_ > wanted_) {
    --population_;
    return;
  }
  arrive(0, event.time);
}

double closed_network::take_mean_queue(size_t number, double now) {
  auto& s = servers_[number];
  change_queue(s, 0, now);
  const auto span = now - s.measured_since;
  const auto mean = span > 0 ? s.queue_area / span : static_cast<double>(s.queue);
  s.queue_area = 0;
  s.measured_since = now;
  return mean;
}

double closed_network::measured_rate(size_t number) const {
  const auto& s = servers_[number];
  return s.done >= measured_microbatches_min ? 1 / s.mean_seconds : 0;
}

size_t closed_network::choose(size_t stage) {
  const auto& home = stages_[stage];
  const auto first = home[random_.below(home.size())];
  const auto second = home[random_.below(home.size())];
  const auto wait = [&](size_t number) {
    const auto& s = servers_[number];
    return static_cast<double>(s.queue + 1) * s.seconds_per_microbatch;
  };
  return wait(second) < wait(first) ? second : first;
}

void closed_network::arrive(size_t stage, double now) {
  if (stages_[stage].empty()) {
    ++waiting_[stage];
    return;
  }
  const auto number = choose(stage);
  auto& s = servers_[number];
  change_queue(s, 1, now);
  if (s.queue == 1) begin(number, now);
}

void closed_network::change_queue(server& s, int64_t by, double now) {
  s.queue_area += static_cast<double>(s.queue) * (now - s.queue_since);
  s.queue_since = now;
  s.queue += by;
}

void closed_network::begin(size_t number, double now) {
  auto& s = servers_[number];
  const auto takes = s.seconds_per_microbatch * (0.5 + random_.unit());
  completions_.push({now + takes, number, ++s.work, takes});
}

}  // namespace swarm::experiments
