#include "tools/planner/plan.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "tools/planner/candidate.hpp"

namespace swarm::planner {

namespace {

constexpr double seconds_per_hour = 3600;
constexpr double bits_per_byte = 8;
/// Numbers of stages that are replayed at most, and how far behind the best an estimate may be.
constexpr size_t replays_max = 8;
constexpr double worth_a_replay = 0.7;
/// Calls of one replayed step above which fewer steps are replayed.
constexpr double many_calls = 20'000;
/// Blocks squared times stages above which cuts are not fitted.
constexpr double fitting_work_max = 4e6;

/// Of each candidate; of one with many calls, which average themselves.
constexpr int replays_each = 5;

replay_result replay_enough(const replay_setup& setup) {
  const double calls =
      static_cast<double>(setup.microbatches) * (2 * static_cast<double>(setup.stages.size()) - 1);
  return replay_mean(setup, calls > many_calls / 10 ? 1 : replays_each);
}

struct replayed {
  candidate what;
  replay_result step;
  double tokens_per_s = 0;

  double expected() const { return tokens_per_s * what.availability; }
};

replayed replay_of(const question& asked, candidate what) {
  replayed result;
  result.step = replay_enough(setup_of(asked, what.loads, what.where));
  result.tokens_per_s = asked.work.tokens_per_step() / result.step.step_s;
  result.what = std::move(what);
  return result;
}

double tokens_with(const question& asked, const candidate& what, double value_bytes) {
  auto other = asked;
  other.work.value_bytes = value_bytes;
  std::vector<stage_load> loads;
  for (const auto& load : what.loads)
    loads.push_back(load_of(other.work, load.span));
  return asked.work.tokens_per_step() / replay_enough(setup_of(other, loads, what.where)).step_s;
}

stage_crew crew_of(const question& asked, const replayed& best, size_t s, size_t k,
                   double members) {
  const auto& load = best.what.loads[s];
  const auto& kind = asked.peers[k];
  stage_crew crew;
  crew.kind = k;
  crew.count = best.what.where[s][k];
  crew.seconds = seconds_of(kind, load);
  crew.held = held_by(asked, best.what, s, k);
  crew.memory = memory_of(asked.work, load, crew.held);
  // Workers of a stage stand kind by kind, as setup_of places them.
  size_t first = 0;
  for (size_t other = 0; other < k; ++other)
    first += static_cast<size_t>(best.what.where[s][other]);
  double share = 0;
  for (size_t w = first; w < first + static_cast<size_t>(crew.count); ++w)
    share += best.step.share[s][w] / static_cast<double>(crew.count);
  const double steps_per_hour = seconds_per_hour / best.step.step_s;
  crew.passing_per_hour = share * static_cast<double>(asked.work.microbatches) *
                          (load.in_bytes() + load.out_bytes()) * steps_per_hour;
  crew.reduced_per_hour = 4 * load.gradient_bytes * (members - 1) / members * steps_per_hour;
  if (kind.hours_between_preemptions > 0)
    crew.fetched_per_hour = load.state_bytes * kind.availability / kind.hours_between_preemptions;
  return crew;
}

plan_stage stage_of(const question& asked, const replayed& best, size_t s) {
  plan_stage stage;
  stage.load = best.what.loads[s];
  const auto& counts = best.what.where[s];
  double members = 0;
  for (const auto count : counts)
    members += static_cast<double>(count);
  for (size_t k = 0; k < asked.peers.size(); ++k)
    if (counts[k] > 0) stage.crew.push_back(crew_of(asked, best, s, k, members));
  stage.rate = stage_rate(asked.peers, stage.load, counts);
  stage.all_reduce_s =
      all_reduce_seconds(setup_of(asked, best.what.loads, best.what.where).stages[s], 0);
  for (const double busy : best.step.busy[s])
    stage.busy += busy / members;
  stage.empty = emptiness_of(asked.peers, counts);
  return stage;
}

void add_costs(const question& asked, const replayed& best, plan& result) {
  result.price_per_hour = asked.trainer_price_per_hour * static_cast<double>(asked.work.trainers);
  for (size_t k = 0; k < asked.peers.size(); ++k) {
    int64_t used = 0;
    for (const auto& counts : best.what.where)
      used += counts[k];
    result.spare.push_back(asked.peers[k].count - used);
    // Who is away costs nothing.
    result.price_per_hour +=
        static_cast<double>(used) * asked.peers[k].price_per_hour * asked.peers[k].availability;
  }
  result.hours = asked.token_budget / result.expected_tokens_per_s / seconds_per_hour;
  result.price = result.hours * result.price_per_hour;
  double per_hour = 0;
  double passing = 0;
  for (const auto& stage : result.stages) {
    per_hour += stage.empty.per_hour;
    passing += stage.load.in_bytes() + stage.load.out_bytes();
  }
  result.empty_per_hour = -std::expm1(-per_hour);
  result.empty_in_run = -std::expm1(-per_hour * result.hours);
  result.trainer_bytes_per_hour = passing * static_cast<double>(asked.work.microbatches) /
                                  static_cast<double>(asked.work.trainers) * seconds_per_hour /
                                  best.step.step_s;
}

/// What the program cannot do today.
void add_comparisons(const question& asked, const candidate& what, plan& result) {
  result.fp16_tokens_per_s = tokens_with(asked, what, fp16_value_bytes);
  result.int8_tokens_per_s = tokens_with(asked, what, int8_value_bytes);
  const auto layers = static_cast<double>(asked.work.model.layers);
  if (layers * layers * static_cast<double>(what.stages) > fitting_work_max) return;
  result.fitted = fitted_cuts(asked.work, asked.peers, what.where);
  std::vector<stage_load> loads;
  for (const auto& span : result.fitted)
    loads.push_back(passage_of(asked.work, span));
  result.fitted_gain =
      std::max(0.0, pipeline_rate(asked.peers, loads, what.where) / what.limit.stages - 1);
}

plan finish(const question& asked, const replayed& best, std::vector<alternative> seen) {
  plan result;
  result.where = best.what.where;
  result.step = best.step;
  result.limit = best.what.limit;
  result.tokens_per_s = best.tokens_per_s;
  result.expected_tokens_per_s = best.expected();
  result.alternatives = std::move(seen);
  for (size_t s = 0; s < best.what.loads.size(); ++s)
    result.stages.push_back(stage_of(asked, best, s));
  add_costs(asked, best, result);
  add_comparisons(asked, best.what, result);
  return result;
}

/// All numbers of stages that fit, the best estimate first, and what was wrong with the others.
struct survey {
  std::vector<candidate> fit;
  std::vector<alternative> seen;
  misfit least{{}, std::numeric_limits<double>::infinity(), std::nullopt, 0};
};

survey survey_stages(const question& asked) {
  survey result;
  const int64_t most = std::min(asked.work.model.layers, stages_max);
  const int64_t first = asked.stages > 0 ? asked.stages : 1;
  const int64_t last = asked.stages > 0 ? asked.stages : most;
  for (int64_t stages = first; stages <= last; ++stages) {
    auto tried = try_stages(asked, stages);
    if (const auto* wrong = std::get_if<misfit>(&tried)) {
      result.seen.push_back({stages, 0, false, wrong->sentence});
      if (wrong->excess < result.least.excess) result.least = *wrong;
      continue;
    }
    auto& fit = std::get<candidate>(tried);
    result.seen.push_back({stages, fit.estimate(asked.work), false, {}});
    result.fit.push_back(std::move(fit));
  }
  std::stable_sort(result.fit.begin(), result.fit.end(), [&](const auto& a, const auto& b) {
    return a.estimate(asked.work) > b.estimate(asked.work);
  });
  return result;
}

/// How many stages, each with a peer of its own, the memory asks for; nothing when no number does.
std::string more_peers(const question& asked) {
  const auto all = peers_of(asked.peers);
  if (asked.stages > 0) return {};
  double most = 0;
  for (const auto& kind : asked.peers)
    if (kind.count > 0) most = std::max(most, kind.memory_bytes);
  for (auto stages = all + 1; stages <= std::min(asked.work.model.layers, stages_max); ++stages) {
    if (tensors::validate(asked.work.model, stages)) break;
    const auto loads = loads_of(asked.work, stages);
    const bool fits = std::all_of(loads.begin(), loads.end(), [&](const auto& load) {
      return memory_of(asked.work, load, 1).total() <= most;
    });
    if (fits)
      return " " + std::to_string(stages) +
             " stages would fit, but need as many peers: " + std::to_string(all) + " < " +
             std::to_string(stages) + ".";
  }
  return {};
}

/// A refusal for the whole question.
std::string check_question(const question& asked) {
  if (const auto wrong = tensors::validate(asked.work.model, 1)) return *wrong;
  for (const auto& kind : asked.peers)
    if (auto wrong = check(kind); !wrong.empty()) return wrong;
  if (peers_of(asked.peers) == 0) return "there is no peer: 0 peers < 1 stage.";
  if (asked.stages > stages_max)
    return "a run has fewer stages: " + std::to_string(asked.stages) + " > " +
           std::to_string(stages_max) + ".";
  return {};
}

}  // namespace

std::string limits::name() const {
  const double smallest = std::min({stages, trainers, in_flight, cores});
  if (smallest == cores) return "the machine's cores";
  if (smallest == stages) return "stage " + std::to_string(stage);
  if (smallest == trainers) return "the trainers";
  return "microbatches in flight";
}

replay_setup setup_of(const question& asked, const std::vector<stage_load>& loads,
                      const placement& where) {
  replay_setup setup;
  for (size_t s = 0; s < loads.size(); ++s) {
    const auto& load = loads[s];
    const bool last = s + 1 == loads.size();
    replay_stage stage;
    stage.forward_in_bytes = load.forward_in_bytes;
    stage.forward_out_bytes = load.forward_out_bytes;
    stage.backward_in_bytes = load.backward_in_bytes;
    stage.backward_out_bytes = load.backward_out_bytes;
    stage.gradient_bytes = load.gradient_bytes;
    for (size_t k = 0; k < asked.peers.size(); ++k) {
      const auto& kind = asked.peers[k];
      replay_worker worker;
      worker.where = {kind.latency_s, kind.up_bits_per_s / bits_per_byte,
                      kind.down_bits_per_s / bits_per_byte};
      worker.forward_s = last ? 0.0 : load.forward_flop / kind.flop_per_s;
      worker.backward_s = (last ? load.flop() : load.backward_flop) / kind.flop_per_s;
      worker.step_s = load.parameters * asked.step_seconds_per_parameter;
      stage.workers.insert(stage.workers.end(), static_cast<size_t>(where[s][k]), worker);
    }
    setup.stages.push_back(std::move(stage));
  }
  setup.trainers.assign(static_cast<size_t>(asked.work.trainers), asked.trainer);
  setup.microbatches = asked.work.microbatches;
  setup.in_flight = asked.work.in_flight;
  setup.message_s = asked.message_s;
  setup.byte_s = asked.byte_s;
  setup.cores = asked.cores;
  setup.spread = asked.spread;
  const double calls =
      static_cast<double>(asked.work.microbatches) * (2 * static_cast<double>(loads.size()) - 1);
  if (calls > many_calls) {
    setup.warm_steps = 1;
    setup.steps = 1;
  }
  return setup;
}

std::variant<plan, std::string> make_plan(const question& asked) {
  if (auto wrong = check_question(asked); !wrong.empty()) return wrong;
  auto seen = survey_stages(asked);
  if (seen.fit.empty()) return seen.least.sentence + more_peers(asked);
  std::optional<replayed> best;
  std::string refusal;
  for (size_t i = 0; i < seen.fit.size() && i < replays_max; ++i) {
    auto& fit = seen.fit[i];
    if (best && fit.estimate(asked.work) < worth_a_replay * best->expected()) break;
    auto& row = *std::find_if(seen.seen.begin(), seen.seen.end(),
                              [&](const auto& a) { return a.stages == fit.stages; });
    auto one = replay_of(asked, std::move(fit));
    row.replayed = true;
    row.tokens_per_s = one.expected();
    row.refusal = check_timeouts(asked, one.step);
    if (!row.refusal.empty()) {
      if (refusal.empty()) refusal = row.refusal;
      row.tokens_per_s = 0;
      continue;
    }
    if (!best || one.expected() > best->expected()) best = std::move(one);
  }
  if (!best) return refusal;
  return finish(asked, *best, std::move(seen.seen));
}

}  // namespace swarm::planner
