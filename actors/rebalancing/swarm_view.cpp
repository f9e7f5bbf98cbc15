#include "actors/rebalancing/swarm_view.hpp"

#include <algorithm>
#include <cmath>

namespace swarm::rebalancing {

namespace {

bool is_positive(double value) {
  return std::isfinite(value) && value > 0;
}

double speed_of(const worker_record& worker) {
  return is_positive(worker.relative_speed) ? worker.relative_speed : 1;
}

double work_of(const swarm_view& view, stage_id stage) {
  const auto work = view.stages[static_cast<size_t>(stage.value())].relative_work;
  return is_positive(work) ? work : 1;
}

}  // namespace

bool counts(const swarm_view& view, const worker_record& worker, const estimate_options& options) {
  return worker.stage.value() >= 0 &&
         static_cast<size_t>(worker.stage.value()) < view.stages.size() &&
         worker.age <= options.record_age_max;
}

rate_estimate::rate_estimate(const swarm_view& view, const estimate_options& options)
    : view_(view), options_(options) {
  measure_unit();
  serving_.resize(view.stages.size());
  settled_.resize(view.stages.size());
  doubt_.resize(view.stages.size());
  serving_count_.resize(view.stages.size());
  live_count_.resize(view.stages.size());
  for (const auto& w : view.workers) {
    if (!counts(w)) continue;
    const auto s = static_cast<size_t>(w.stage.value());
    const auto does = rate(w, w.stage);
    settled_[s] += does;
    if (!is_positive(w.microbatches_per_second)) doubt_[s] += std::pow(spread_ * does, 2);
    ++live_count_[s];
    if (w.state != worker_state::serving) continue;
    serving_[s] += does;
    ++serving_count_[s];
  }
  for (auto& squared : doubt_)
    squared = std::sqrt(squared);
}

void rate_estimate::measure_unit() {
  double sum = 0;
  double squares = 0;
  double measured = 0;
  for (const auto& w : view_.workers) {
    if (!counts(w) || !is_positive(w.microbatches_per_second)) continue;
    const auto unit = w.microbatches_per_second * work_of(view_, w.stage) / speed_of(w);
    sum += unit;
    squares += unit * unit;
    ++measured;
  }
  if (measured == 0) return;
  unit_ = sum / measured;
  const auto variance = std::max(0.0, squares / measured / unit_ / unit_ - 1);
  // Few measurements say little of how different devices are.
  spread_ = std::sqrt(variance + 1 / measured);
}

double rate_estimate::unit_rate(const worker_record& worker) const {
  const auto promised = unit_ * speed_of(worker);
  if (!is_positive(worker.microbatches_per_second)) return promised;
  const auto measured = worker.microbatches_per_second * work_of(view_, worker.stage);
  return std::abs(measured - promised) <= options_.rate_tolerance * promised ? promised : measured;
}

double rate_estimate::rate(const worker_record& worker, stage_id stage) const {
  return unit_rate(worker) / work_of(view_, stage);
}

double rate_estimate::rate(double relative_speed, stage_id stage) const {
  return unit_ * (is_positive(relative_speed) ? relative_speed : 1) / work_of(view_, stage);
}

seconds rate_estimate::transfer(const worker_record& worker, stage_id stage) const {
  const auto bytes = view_.stages[static_cast<size_t>(stage.value())].state_bytes;
  const auto bandwidth = is_positive(worker.bytes_per_second) ? worker.bytes_per_second
                                                              : options_.bytes_per_second_default;
  return seconds{is_positive(bytes) ? bytes / bandwidth : 0};
}

double pipeline_throughput(const std::vector<double>& stages) {
  return stages.empty() ? 0 : *std::min_element(stages.begin(), stages.end());
}

}  // namespace swarm::rebalancing
