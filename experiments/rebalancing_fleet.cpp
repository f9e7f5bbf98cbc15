#include "experiments/rebalancing_fleet.hpp"

#include <algorithm>
#include <utility>

namespace swarm::experiments {

namespace {

constexpr double hour_seconds = 3600;

double overlap(double from, double to, double begin, double end) {
  return std::max(0.0, std::min(to, end) - std::max(from, begin));
}

}  // namespace

bulletin::bulletin(std::vector<rebalancing::stage_record> stages) : counts_(stages.size(), 0) {
  view_.stages = std::move(stages);
}

void bulletin::publish(const rebalancing::worker_record& record, double now) {
  const auto peer = static_cast<size_t>(record.id.peer.value());
  if (places_.size() <= peer) places_.resize(peer + 1, nowhere);
  auto& place = places_[peer];
  if (place == nowhere) {
    place = view_.workers.size();
    view_.workers.push_back(record);
    published_.push_back(now);
  } else {
    --counts_[static_cast<size_t>(view_.workers[place].stage.value())];
    view_.workers[place] = record;
    published_[place] = now;
  }
  ++counts_[static_cast<size_t>(record.stage.value())];
}

std::optional<worker_id> bulletin::remove(peer_id id) {
  const auto peer = static_cast<size_t>(id.value());
  if (places_.size() <= peer || places_[peer] == nowhere) return std::nullopt;
  const auto place = std::exchange(places_[peer], nowhere);
  const auto known = view_.workers[place].id;
  --counts_[static_cast<size_t>(view_.workers[place].stage.value())];
  if (place + 1 != view_.workers.size()) {
    view_.workers[place] = view_.workers.back();
    published_[place] = published_.back();
    places_[static_cast<size_t>(view_.workers[place].id.peer.value())] = place;
  }
  view_.workers.pop_back();
  published_.pop_back();
  return known;
}

const rebalancing::swarm_view& bulletin::view(double now) {
  for (size_t i = 0; i < published_.size(); ++i)
    view_.workers[i].age = rebalancing::seconds{now - published_[i]};
  return view_;
}

bool bulletin::has_empty_stage() const {
  return std::find(counts_.begin(), counts_.end(), size_t{0}) != counts_.end();
}

share_meter::share_meter(size_t stages, double end_seconds, bool equal_speeds)
    : stages_(stages),
      end_(end_seconds),
      equal_speeds_(equal_speeds),
      serving_(stages, 0),
      rates_(stages, 0.0),
      empty_since_(stages, -1.0) {}

double share_meter::best() const {
  const auto enough = live_ / static_cast<int64_t>(stages_);
  if (enough == 0) return 0;
  if (!equal_speeds_) return live_rate_ / static_cast<double>(stages_);
  return live_rate_ / static_cast<double>(live_) * static_cast<double>(enough);
}

void share_meter::advance(double now) {
  const auto from = now_;
  const auto to = std::min(now, end_);
  now_ = std::max(now_, now);
  if (to <= from) return;
  peer_seconds_ += static_cast<double>(live_) * (to - from);
  const auto possible = best();
  for (size_t s = 0; s < stages_; ++s) {
    if (possible <= 0 || serving_[s] > 0) {
      empty_since_[s] = -1;
      continue;
    }
    if (empty_since_[s] < 0) empty_since_[s] = from;
    empty_longest_ = std::max(empty_longest_, to - empty_since_[s]);
  }
  if (possible <= 0) return;
  best_microbatches_ += possible * (to - from);
  const auto share = *std::min_element(rates_.begin(), rates_.end()) / possible;
  const auto add = [&](mean_over_time& to_mean, double begin, double end) {
    const auto span = overlap(from, to, begin, end);
    to_mean.area += share * span;
    to_mean.span += span;
  };
  add(all_, 0, end_);
  add(first_, 0, hour_seconds);
  add(last_, end_ - hour_seconds, end_);
}

void share_meter::peer_lives(double rate, double now) {
  advance(now);
  ++live_;
  live_rate_ += rate;
}

void share_meter::peer_dies(double rate, double now) {
  advance(now);
  --live_;
  live_rate_ -= rate;
}

void share_meter::serves(size_t stage, double rate, double now) {
  advance(now);
  ++serving_[stage];
  rates_[stage] += rate;
}

void share_meter::stops_serving(size_t stage, double rate, double now) {
  advance(now);
  --serving_[stage];
  // No rest of rounding where nobody is left.
  rates_[stage] = serving_[stage] == 0 ? 0 : rates_[stage] - rate;
}

void share_meter::finish() {
  advance(end_);
}

}  // namespace swarm::experiments
