#pragma once

#include "actors/simulation/scenario.hpp"

namespace swarm::simulation {

/// A swarm of equal peers, as far as arithmetic goes. Bytes are bytes, rates per second.
struct mission_shape {
  double stages = 4;
  double peers_per_stage = 100;
  double trainers = 16;
  double microbatches = 4096;  ///< of a step
  double forward_s = 0;        ///< of one microbatch at one stage; all of it three times as long
  double activation_bytes = 0;
  double gradient_bytes = 0;  ///< of a stage, in an all-reduce
  double state_bytes = 0;     ///< of a stage
  double worker_line = 0;     ///< each way, in the mean
  double slowest_line = 0;    ///< of a worker; 0: all are equal
  double trainer_line = 0;    ///< each way
  double mean_life_s = 0;     ///< 0: nobody dies
  double absent_s = 0;        ///< from a death to the arrival of who takes the place
  double copy_every = 0;  ///< steps between copies of each stage at each of its backups; 0: none
};

/// Of one step, if the peers that have joined do nothing but work. Who computes, sends and receives
/// at the same time, relays through trainers, and reduces when all gradients are there.
struct mission_step {
  double compute_s = 0;
  double worker_line_s = 0;
  double trainer_line_s = 0;
  double fill_s = 0;  ///< one microbatch through all stages and back
  double pass_s = 0;  ///< the all-reduce

  double total_s() const;
};

/// What is possible, and what it costs to send.
struct mission_plan {
  mission_step step;
  double join_s = 0;  ///< (state + results that pass meanwhile) / line
  /// Of a peer's time from one arrival to the next, that in which it works: its life less joining,
  /// and half a step's work that dies with it.
  double useful_share = 1;
  double step_s = 0;  ///< with what share of the peers that is
};

/// Of a scenario with a size; of what it draws for each host the means, of other knobs the lower
/// ends.
mission_shape shape_of(const scenario& what);

mission_step step_of(const mission_shape& shape, double useful_share);
mission_plan plan_of(const mission_shape& shape);

/// Bytes that a run should put on its lines: the passes and microbatches of its steps, its copies,
/// and for each death a joiner's state and results, the microbatches that died, and what repairs an
/// all-reduce.
double planned_bytes(const mission_shape& shape, const mission_plan& plan, double steps,
                     double deaths);

}  // namespace swarm::simulation
