#pragma once

#include <string>
#include <vector>

#include "tensors/data/corpus.hpp"
#include "tools/options/run_options.hpp"
#include "tools/planner/plan.hpp"

namespace swarm::experiments {

/// What one core of this machine does with a model, in one process and one thread.
struct calibration {
  double flop_per_s = 0;
  double step_seconds_per_parameter = 0;
};

/// Trains the whole model for about `seconds`, with steps of few and of many microbatches: the
/// difference is what a microbatch costs, the rest what a step costs. Counts the process' own time
/// on the processor, so that other programs do not slow the machine's cores down in its eyes.
calibration calibrate(const tools::run_options& run, const tensors::corpus& data, double seconds);

struct process_comparison {
  std::string name;
  double predicted_tokens_per_s = 0;  ///< with the cores that others left
  double quiet_tokens_per_s = 0;      ///< with all of them
  double measured_tokens_per_s = 0;
  double cores = 0;  ///< that were idle or the run's own while it ran
  bool finished = false;
  std::string complaint;

  double error() const { return predicted_tokens_per_s / measured_tokens_per_s - 1; }
};

/// Predicts `swarm up` of these options on this machine, runs it for about `seconds`, compares.
process_comparison compare_processes(const std::string& name, const tools::run_options& run,
                                     int64_t trainers, const calibration& core, double seconds,
                                     const std::string& folder, bool verbose);

}  // namespace swarm::experiments
