#include "actors/rebalancing/plan.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <set>

#include "actors/random.hpp"

namespace swarm::rebalancing {

namespace {

/// Sums of the same rates in another order differ by this share.
constexpr double rounding = 1e-9;

size_t index(stage_id stage) {
  return static_cast<size_t>(stage.value());
}

stage_id at(size_t index) {
  return stage_id{static_cast<int32_t>(index)};
}

/// The same for everybody, and not always the lowest id.
uint64_t lot(worker_id id) {
  return splitmix64{std::hash<worker_id>{}(id)}.next();
}

/// One worker's move, and how good it is.
struct candidate {
  const worker_record* who = nullptr;
  double lower = 0;   ///< the slower one of the two stages after it
  double source = 0;  ///< left where it comes from
  seconds transfer{0};
};

bool differ(double a, double b) {
  return std::abs(a - b) > rounding * std::max(std::abs(a), std::abs(b));
}

bool better(const candidate& a, const candidate& b) {
  if (differ(a.lower, b.lower)) return a.lower > b.lower;
  if (differ(a.source, b.source)) return a.source > b.source;
  if (a.transfer != b.transfer) return a.transfer < b.transfer;
  const auto first = lot(a.who->id);
  const auto second = lot(b.who->id);
  return first != second ? first < second : a.who->id < b.who->id;
}

class planner {
 public:
  planner(const swarm_view& view, const plan_options& options)
      : view_(view),
        options_(options),
        rates_(view, options.estimate),
        settled_(rates_.settled()),
        during_(rates_.serving()),
        serving_(rates_.serving_count()),
        moved_(view.workers.size(), false) {}

  std::vector<move> plan() {
    std::vector<move> moves;
    if (view_.stages.size() < 2) return moves;
    const auto before = pipeline_throughput(settled_);
    const auto served = pipeline_throughput(rates_.serving());
    double slowest_mover = std::numeric_limits<double>::infinity();
    double best_value = 0;
    size_t best_length = 0;
    while (moves.size() < options_.moves_max) {
      const auto next = best_candidate();
      if (next.who == nullptr) break;
      slowest_mover = std::min(slowest_mover, rates_.rate(*next.who, neediest()));
      moves.push_back(make(next));
      const auto gain = pipeline_throughput(settled_) - before;
      if (gain < options_.gain_of_mover_min * slowest_mover + doubt()) continue;
      const auto dip = std::max(0.0, served - pipeline_throughput(during_));
      const auto cost = lost_work_ + dip * longest_.count();
      const auto earned = gain * (options_.horizon - longest_).count();
      const auto value = earned - options_.gain_over_cost_min * cost;
      if (value <= best_value * (1 + rounding)) continue;
      best_value = value;
      best_length = moves.size();
    }
    moves.resize(best_length);
    return moves;
  }

 private:
  stage_id neediest() const {
    return at(
        static_cast<size_t>(std::min_element(settled_.begin(), settled_.end()) - settled_.begin()));
  }

  /// The gain may be no more than what is not known of the stages involved.
  double doubt() const {
    double squared = 0;
    for (const auto s : involved_)
      squared += std::pow(rates_.doubt(at(s)), 2);
    return std::sqrt(squared);
  }

  candidate best_candidate() const {
    const auto to = neediest();
    const auto need = settled_[index(to)];
    candidate best;
    for (size_t i = 0; i < view_.workers.size(); ++i) {
      const auto& w = view_.workers[i];
      if (moved_[i] || !rates_.counts(w) || w.state != worker_state::serving || w.stage == to)
        continue;
      const auto from = index(w.stage);
      if (serving_[from] < 2) continue;
      const auto source = settled_[from] - rates_.rate(w, w.stage);
      const auto lower = std::min(source, need + rates_.rate(w, to));
      if (lower <= need * (1 + rounding)) continue;
      const candidate c{&w, lower, source, rates_.transfer(w, to)};
      if (best.who == nullptr || better(c, best)) best = c;
    }
    return best;
  }

  move make(const candidate& chosen) {
    const auto& w = *chosen.who;
    const auto to = neediest();
    const auto from = index(w.stage);
    const auto rate = rates_.rate(w, w.stage);
    settled_[from] -= rate;
    settled_[index(to)] += rates_.rate(w, to);
    during_[from] -= rate;
    --serving_[from];
    involved_.insert({from, index(to)});
    moved_[static_cast<size_t>(&w - view_.workers.data())] = true;
    longest_ = std::max(longest_, chosen.transfer);
    // A worker's rate is one stage's share of the pipeline's.
    lost_work_ += rate * chosen.transfer.count() / static_cast<double>(view_.stages.size());
    return {w.id, w.stage, to};
  }

  const swarm_view& view_;
  const plan_options& options_;
  rate_estimate rates_;
  std::vector<double> settled_;
  std::vector<double> during_;  ///< while the movers fetch their states
  std::vector<size_t> serving_;
  std::vector<bool> moved_;
  std::set<size_t> involved_;
  seconds longest_{0};
  double lost_work_ = 0;  ///< microbatches
};

std::optional<stage_id> first_empty(const swarm_view& view, const estimate_options& options) {
  std::vector<bool> has_worker(view.stages.size(), false);
  for (const auto& w : view.workers)
    if (counts(view, w, options)) has_worker[index(w.stage)] = true;
  const auto empty = std::find(has_worker.begin(), has_worker.end(), false);
  if (empty == has_worker.end()) return std::nullopt;
  return at(static_cast<size_t>(empty - has_worker.begin()));
}

/// The pipeline without this worker, the empty stages left out.
double rest_without(const worker_record& w, const rate_estimate& rates) {
  auto stages = rates.settled();
  stages[index(w.stage)] -= rates.rate(w, w.stage);
  double slowest = std::numeric_limits<double>::infinity();
  for (size_t s = 0; s < stages.size(); ++s)
    if (rates.live_count()[s] > 0) slowest = std::min(slowest, stages[s]);
  return slowest;
}

bool can_be_spared(const worker_record& w, const rate_estimate& rates) {
  const auto s = index(w.stage);
  return w.state == worker_state::serving ? rates.serving_count()[s] > 1
                                          : rates.live_count()[s] > 1;
}

}  // namespace

std::vector<move> plan_moves(const swarm_view& view, const plan_options& options) {
  return planner{view, options}.plan();
}

std::optional<move> plan_rescue(const swarm_view& view, const plan_options& options) {
  const auto empty = first_empty(view, options.estimate);
  if (!empty) return std::nullopt;
  const auto to = *empty;
  const rate_estimate rates{view, options.estimate};
  candidate best;
  for (const auto& w : view.workers) {
    if (!rates.counts(w) || !can_be_spared(w, rates)) continue;
    const auto rest = rest_without(w, rates);
    const candidate c{&w, std::min(rest, rates.rate(w, to)), rest, rates.transfer(w, to)};
    if (best.who == nullptr || better(c, best)) best = c;
  }
  if (best.who == nullptr) return std::nullopt;
  return move{best.who->id, best.who->stage, to};
}

stage_id choose_stage(const swarm_view& view, peer_id self, double relative_speed,
                      const std::vector<stage_id>& kept, const estimate_options& options) {
  assert(!view.stages.empty());
  auto others = view;
  others.workers.erase(std::remove_if(others.workers.begin(), others.workers.end(),
                                      [&](const worker_record& w) { return w.id.peer == self; }),
                       others.workers.end());
  const rate_estimate rates{others, options};
  const auto& settled = rates.settled();
  const auto exists = [&](stage_id s) { return s.value() >= 0 && index(s) < view.stages.size(); };
  for (const auto k : kept)
    if (exists(k) && rates.serving_count()[index(k)] == 0) return k;
  const auto least = pipeline_throughput(settled);
  const auto& live = rates.live_count();
  const auto nobody = std::find(live.begin(), live.end(), size_t{0}) != live.end();
  const auto near = [&](stage_id s, double shares) {
    return settled[index(s)] <= least + shares * rates.rate(relative_speed, s) * (1 + rounding);
  };
  for (const auto k : kept)
    if (exists(k) && !nobody && near(k, 1)) return k;
  std::vector<stage_id> neediest;
  for (size_t s = 0; s < settled.size(); ++s)
    if (nobody ? live[s] == 0 : near(at(s), 0.5)) neediest.push_back(at(s));
  return neediest[splitmix64{self.value()}.below(neediest.size())];
}

}  // namespace swarm::rebalancing
