#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tools/planner/fleet.hpp"
#include "tools/planner/placement.hpp"
#include "tools/planner/replay.hpp"
#include "tools/planner/survival.hpp"
#include "tools/planner/workload.hpp"

namespace swarm::planner {

/// A stage mask has so many bits (actors/training), an averaging group so many members.
inline constexpr int64_t stages_max = 64;
inline constexpr int64_t group_members_max = 512;

/// A core's time at either end of a message, and of each of its bytes: actors and frames; copies
/// and TLS (1.15 s per GB of both ends: actors/transport/README.md).
inline constexpr double message_seconds_default = 2e-4;
inline constexpr double byte_seconds_default = 0.6e-9;

/// What takes a device long takes it a little more or less each time. Without it the last
/// microbatch of a step falls on the same worker in every step, for better or worse.
inline constexpr double spread_default = 0.1;

struct question {
  workload work;
  fleet peers;
  line trainer;        ///< of each of work.trainers
  int64_t stages = 0;  ///< 0: whatever is fastest
  double cores = 0;    ///< that all processes share on one machine; 0: each has its own
  double message_s = message_seconds_default;
  double byte_s = byte_seconds_default;
  double step_seconds_per_parameter = step_seconds_per_parameter_default;
  double spread = spread_default;
  double token_budget = 0;  ///< 0: none
  double trainer_price_per_hour = 0;
  double call_timeout_s = 10;  ///< train --call-timeout
};

/// A kind of peer at a stage.
struct stage_crew {
  size_t kind = 0;
  int64_t count = 0;
  microbatch_seconds seconds;
  stage_memory memory;          ///< of one of them, at its share of what is under way
  double held = 0;              ///< microbatches that wait there for their backward, at most
  double passing_per_hour = 0;  ///< bytes of activations and their gradients, both ways, of each
  double reduced_per_hour = 0;  ///< of the all-reduce, both ways
  double fetched_per_hour = 0;  ///< of states after preemptions
};

struct plan_stage {
  stage_load load;
  std::vector<stage_crew> crew;
  double rate = 0;  ///< microbatches per second at most
  double all_reduce_s = 0;
  double busy = 0;  ///< mean share of the time that a peer computes
  emptiness empty;
};

/// What each part alone would allow, microbatches per second while a step computes.
struct limits {
  double stages = 0;
  size_t stage = 0;      ///< the slowest
  double trainers = 0;   ///< their lines; infinite without limits
  double in_flight = 0;  ///< so many under way at once, each as fast as an empty swarm is
  double cores = 0;      ///< infinite without shared ones
  std::string name() const;
};

/// Another number of stages that was looked at.
struct alternative {
  int64_t stages = 0;
  double tokens_per_s = 0;  ///< 0: refused
  bool replayed = false;    ///< else an estimate
  std::string refusal;
};

struct plan {
  std::vector<plan_stage> stages;
  placement where;
  std::vector<int64_t> spare;  ///< by kind: peers that fit no stage
  replay_result step;
  limits limit;
  double tokens_per_s = 0;           ///< everybody there
  double expected_tokens_per_s = 0;  ///< with the peers' availability
  double hours = 0;                  ///< to the token budget, at the expected rate
  double price_per_hour = 0;
  double price = 0;
  double trainer_bytes_per_hour = 0;  ///< of each, both ways
  double empty_per_hour = 0;          ///< that any stage becomes empty within an hour
  double empty_in_run = 0;
  std::vector<alternative> alternatives;
  /// What other codecs and cuts would give; today's program has none of them.
  double fp16_tokens_per_s = 0;
  double int8_tokens_per_s = 0;
  std::vector<tensors::stage_span> fitted;
  double fitted_gain = 0;  ///< of the slowest stage's rate, a share; 0: none
};

/// The number of stages with the most expected tokens per second, among those that fit, and what
/// follows from it. Every number of stages is estimated by its limits, the best are replayed.
/// A sentence that names the inequality, with both sides, when nothing fits.
std::variant<plan, std::string> make_plan(const question& asked);

/// The replay of a placement.
replay_setup setup_of(const question& asked, const std::vector<stage_load>& loads,
                      const placement& where);

}  // namespace swarm::planner
