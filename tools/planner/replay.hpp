#pragma once

#include <cstdint>
#include <vector>

namespace swarm::planner {

/// A host's line; what goes between two hosts takes the latency of both.
struct line {
  double latency_s = 0;
  double up_bytes_per_s = 0;    ///< 0: no limit
  double down_bytes_per_s = 0;  ///< 0: no limit
};

struct replay_worker {
  line where;
  double forward_s = 0;   ///< per microbatch
  double backward_s = 0;  ///< of the last stage: its one call
  double step_s = 0;      ///< per step: norm, optimizer, hashes
};

struct replay_stage {
  std::vector<replay_worker> workers;
  double forward_in_bytes = 0;
  double forward_out_bytes = 0;
  double backward_in_bytes = 0;
  double backward_out_bytes = 0;
  double gradient_bytes = 0;
};

struct replay_setup {
  std::vector<replay_stage> stages;
  std::vector<line> trainers;  ///< the first one leads
  int64_t microbatches = 1;
  int64_t in_flight = 1;
  double path_latency_s = 0;  ///< of every path, besides the hosts'
  double order_bytes = 64;    ///< of a message without a tensor
  double message_s = 0;       ///< of a core's time, at either end of a message
  double byte_s = 0;          ///< and of each of its bytes: copies, encryption
  double cores = 0;           ///< that all hosts share; 0: each worker has its own
  double spread = 0;          ///< a microbatch takes a worker up to this share more or less
  uint64_t seed = 1;
  int64_t warm_steps = 4;  ///< until the routers know their peers
  int64_t steps = 16;      ///< over which is averaged
};

struct replay_result {
  double step_s = 0;
  double step_s_min = 0;  ///< of `replay_mean`'s replays
  double step_s_max = 0;
  double compute_s = 0;       ///< of a step: until its last microbatch is settled
  double reduce_s = 0;        ///< and from there until the commit: gather, all-reduce
  double longest_call_s = 0;  ///< a trainer's, queues included
  /// By stage: microbatches that wait for their backward, at most at one worker.
  std::vector<double> held;
  /// By stage and worker: the share of the time that it computes, and of the stage's microbatches.
  std::vector<std::vector<double>> busy;
  std::vector<std::vector<double>> share;
};

/// The throughput model: a few steps of the step transaction (actors/training), call by call, in
/// its own virtual time and without actors, but with the production router.
///
/// - A closed pipeline: each trainer has `in_flight` microbatches under way, and a tensor goes from
///   worker to trainer to worker. The backward goes to the worker that has the graph.
/// - A worker computes one call at a time, in order of arrival. A line carries one message after
///   the other, each way. With `cores`, hosts share them as a fair scheduler would.
/// - The step ends with gather, all-reduce and commit, one after the other and not hidden behind
///   the next step's computing. The butterfly moves 2 V (n - 1) / n bytes each way over each line
///   (Rabenseifner 2004) and crosses the network twice; the slowest line of a stage, and the
///   slowest stage, decide.
///
/// The same setup gives the same result. Nothing fails here: see survival.hpp for what dies.
/// Preconditions: every stage has a worker, there is a trainer, counts are positive.
replay_result replay(const replay_setup& setup);

/// The mean of so many replays, with the seeds after the setup's. A few microbatches over very
/// unequal workers have several habits that the routers fall into and keep, with steps of very
/// different length: one replay shows one of them.
replay_result replay_mean(const replay_setup& setup, int replays);

/// Slices of the butterfly consist of units of so many bytes (16 elements): a gradient of few units
/// has few owners, the last of each run of members.
inline constexpr double slice_unit_bytes = 64;

/// Seconds of the all-reduce over these lines.
double all_reduce_seconds(const replay_stage& stage, double path_latency_s);

}  // namespace swarm::planner
