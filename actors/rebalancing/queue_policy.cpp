#include "actors/rebalancing/queue_policy.hpp"

#include <algorithm>
#include <cassert>
#include <vector>

namespace swarm::rebalancing {

namespace {

struct loads {
  std::vector<double> queued;
  std::vector<size_t> workers;
};

/// Who fetches a state has not announced itself in the paper's table yet.
bool is_listed(const swarm_view& view, const worker_record& w, const estimate_options& options) {
  return w.state == worker_state::serving && counts(view, w, options);
}

loads measure(const swarm_view& view, const estimate_options& options) {
  loads result{std::vector<double>(view.stages.size(), 0.0),
               std::vector<size_t>(view.stages.size(), 0)};
  for (const auto& w : view.workers) {
    if (!is_listed(view, w, options)) continue;
    const auto s = static_cast<size_t>(w.stage.value());
    result.queued[s] += w.queue_length;
    ++result.workers[s];
  }
  return result;
}

stage_id position(const std::vector<double>& in, std::vector<double>::const_iterator at) {
  return stage_id{static_cast<int32_t>(at - in.begin())};
}

}  // namespace

std::optional<move> queue_policy::decide(const swarm_view& view, worker_id self, seconds now) {
  if (!begun_) {
    begun_ = true;
    due_ = now + options_.period;
    return std::nullopt;
  }
  if (now < due_) return std::nullopt;
  due_ = now + options_.period;
  if (view.stages.empty()) return std::nullopt;
  const auto& records = options_.plan.estimate;
  const auto own = std::find_if(view.workers.begin(), view.workers.end(),
                                [&](const worker_record& w) { return w.id == self; });
  if (own == view.workers.end() || !is_listed(view, *own, records)) return std::nullopt;
  const auto load = measure(view, records);
  const auto least =
      position(load.queued, std::min_element(load.queued.begin(), load.queued.end()));
  const auto most = position(load.queued, std::max_element(load.queued.begin(), load.queued.end()));
  if (own->stage != least || least == most) return std::nullopt;
  // The paper compares beginning with itself, strictly: of several with the least all think it is
  // them.
  for (const auto& w : view.workers)
    if (is_listed(view, w, records) && w.stage == least && w.queue_length < own->queue_length)
      return std::nullopt;
  return move{self, least, most};
}

stage_id most_loaded_stage(const swarm_view& view, const estimate_options& options) {
  assert(!view.stages.empty());
  const auto load = measure(view, options);
  const auto nobody = std::find(load.workers.begin(), load.workers.end(), size_t{0});
  if (nobody != load.workers.end())
    return stage_id{static_cast<int32_t>(nobody - load.workers.begin())};
  return position(load.queued, std::max_element(load.queued.begin(), load.queued.end()));
}

}  // namespace swarm::rebalancing
