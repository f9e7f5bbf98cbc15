#include "actors/simulation/mission_plan.hpp"

#include <algorithm>
#include <cmath>

#include "actors/stage/backup_stage.hpp"

namespace swarm::simulation {

namespace {

/// A forward, and a backward of twice its operations.
constexpr double forwards_per_microbatch = 3;
/// A joiner whose line carries no more than the results that pass never gets in.
constexpr double never_s = 1e9;
/// An iteration towards the step that the peers left by their own joining can make.
constexpr int rounds = 50;

constexpr double bytes_per_mbit = 125'000;

/// Evenly drawn in what a unit takes (knob::draw_rate): the mean of the rates.
double mean_rate(const knob& of) {
  return of.high > of.low ? of.low * of.high / (of.high - of.low) * std::log(of.high / of.low)
                          : of.low;
}

/// Bytes per second each way; 0 megabits are no limit.
double line_of(const knob& own, const knob& usual) {
  constexpr double no_limit = 1e15;
  const double mbit = mean_rate(own.low > 0 ? own : usual);
  return mbit > 0 ? mbit * bytes_per_mbit : no_limit;
}

double boundaries(const mission_shape& s) {
  return s.stages - 1;
}

double join_seconds(const mission_shape& s, double step_s) {
  const double left = s.worker_line - s.gradient_bytes / step_s;
  return left > 0 ? std::min(never_s, s.state_bytes / left) : never_s;
}

/// The first version's, and others so early that they are there when the interval is over.
double copies_made(const mission_shape& s, const mission_plan& plan, double steps) {
  if (s.copy_every <= 0) return 0;
  const double takes = s.state_bytes / s.worker_line / plan.step_s;
  return 1 + steps / std::max({1.0, s.copy_every / 2, s.copy_every - 1 - takes});
}

}  // namespace

double mission_step::total_s() const {
  return std::max({compute_s, worker_line_s, trainer_line_s}) + fill_s + pass_s;
}

mission_shape shape_of(const scenario& what) {
  const auto& size = what.size;
  const double tokens = size.rows.low * size.context.low;
  mission_shape shape;
  shape.stages = what.stages.low;
  shape.peers_per_stage = what.workers_per_stage.low;
  shape.trainers = what.trainers.low;
  shape.microbatches = what.microbatches.low;
  const double speed = mean_rate(what.workers.tera_flop_per_s) * 1e12;
  shape.forward_s =
      speed > 0 ? 2 * size.parameters.low * tokens / speed : what.compute.forward_ms.low / 1000;
  shape.activation_bytes = tokens * size.width.low * 4;
  shape.gradient_bytes = size.parameters.low * size.gradient_bytes.low;
  shape.state_bytes = size.parameters.low * size.state_bytes.low;
  shape.worker_line = line_of(what.workers.up_mbit_per_s, what.network.mbit_per_s);
  const auto& line = what.workers.up_mbit_per_s;
  shape.slowest_line = line.low < line.high ? line.low * bytes_per_mbit : 0;
  shape.trainer_line = line_of(what.training.up_mbit_per_s, what.network.mbit_per_s);
  shape.mean_life_s = what.mean_life_s.low;
  shape.absent_s = (what.absent_s.low + what.absent_s.high) / 2;
  shape.copy_every = what.keep_every.low;
  return shape;
}

mission_step step_of(const mission_shape& s, double useful_share) {
  const double peers = std::max(1.0, s.peers_per_stage * useful_share);
  // Nobody has to fetch anything to be a trainer.
  const double trainers =
      s.mean_life_s > 0 ? s.trainers * s.mean_life_s / (s.mean_life_s + s.absent_s) : s.trainers;
  const double each = s.microbatches / peers;
  mission_step step;
  step.compute_s = each * forwards_per_microbatch * s.forward_s;
  // Of a stage between two others: an input and an output's gradient in, as much out.
  step.worker_line_s = each * std::min(2.0, boundaries(s)) * s.activation_bytes / s.worker_line;
  step.trainer_line_s =
      s.microbatches / trainers * 2 * boundaries(s) * s.activation_bytes / s.trainer_line;
  step.fill_s =
      s.stages * forwards_per_microbatch * s.forward_s +
      2 * boundaries(s) * 2 * s.activation_bytes * (1 / s.worker_line + 1 / s.trainer_line);
  step.pass_s = 2 * (peers - 1) / peers * s.gradient_bytes / s.worker_line;
  // However little the slowest owns, it sends its own vector and receives the sum.
  if (s.slowest_line > 0) step.pass_s = std::max(step.pass_s, s.gradient_bytes / s.slowest_line);
  return step;
}

mission_plan plan_of(const mission_shape& s) {
  mission_plan plan;
  for (int i = 0; i < rounds; ++i) {
    plan.step = step_of(s, plan.useful_share);
    plan.step_s = plan.step.total_s();
    if (s.mean_life_s <= 0) break;
    plan.join_s = join_seconds(s, plan.step_s);
    const double useful_s = s.mean_life_s - plan.join_s - plan.step_s / 2;
    const double share = std::max(0.0, useful_s) / (s.mean_life_s + s.absent_s);
    // Half way, or it could swing.
    plan.useful_share = (plan.useful_share + share) / 2;
  }
  return plan;
}

double planned_bytes(const mission_shape& s, const mission_plan& plan, double steps,
                     double deaths) {
  const double peers = std::max(1.0, s.peers_per_stage * plan.useful_share);
  // Each tensor goes from a worker to a trainer and on to the next worker.
  const double microbatch = 2 * boundaries(s) * 2 * s.activation_bytes;
  const double pass = 2 * (peers - 1) * s.gradient_bytes;
  const double backups =
      s.copy_every > 0 ? std::min(s.peers_per_stage, double{stage::backups_per_stage}) : 0;
  const double copies = copies_made(s, plan, steps) * s.stages * backups * s.state_bytes;
  const double step = s.microbatches * microbatch + s.stages * pass;
  // In the mean half of what it would have done of the step, at one stage: an input and an output's
  // gradient to another worker, and two answers.
  const double again = s.microbatches / peers / 2 * 4 * s.activation_bytes;
  // The copy that it kept is fetched by another peer.
  const double joining = s.state_bytes + s.gradient_bytes * plan.join_s / plan.step_s +
                         backups / s.peers_per_stage * s.state_bytes;
  // About 1/n of the pass, if it dies in one.
  const double repair = plan.step.pass_s / plan.step_s * pass / peers;
  return steps * step + copies + deaths * (again + joining + repair);
}

}  // namespace swarm::simulation
