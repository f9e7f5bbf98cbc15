#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "experiments/program.hpp"

/// What the experiment large_stage counts, finds and claims.
namespace swarm::experiments {

inline constexpr double value_bytes = 4;

double mean(const std::vector<double>& values);

/// Of the run as it is described, before anything is measured. Bytes are bytes, the line's per
/// second and each way.
struct large_size {
  double parameters = 0;  ///< of the largest stage
  double line = 0;
  double worker_s = 0;   ///< of a step: what a worker sends, and as much that it receives
  double trainer_s = 0;  ///< of a step: what a trainer relays

  double line_s() const;
  double state_bytes() const;
  double result_bytes() const { return value_bytes * parameters; }
  /// While a newcomer fetches the state, each step's result passes on the same line.
  double join_s(double step_s) const;
  double join_allowed_s(double step_s) const;
  double memory_allowed_bytes() const;
};

/// Of a wait for what should take so long: only a run that is broken takes longer.
std::chrono::milliseconds patience_for(double seconds);

struct step_findings {
  double first_s = 0;  ///< the first step, by the leader
  std::vector<double> seconds;
  double rounds = 0;  ///< more than one per step: something was gathered again
  int64_t moves = 0;

  double mean_s() const { return mean(seconds); }
};

struct join_findings {
  std::string what;
  double planned_s = 0;
  double allowed_s = 0;
  double joined_s = -1;  ///< from the first question to serving; negative: never
  double step_s = 0;     ///< of the steps meanwhile, mean
  double bytes = 0;
  double killed_at = -1;  ///< share of the state that had come; negative: nobody was killed
  double peak_bytes = 0;

  bool got_in() const { return joined_s >= 0; }
  bool in_time() const { return got_in() && joined_s <= allowed_s; }
};

struct large_findings {
  large_size what;
  double compute_s = 0;
  std::optional<step_findings> steps;
  std::vector<join_findings> joins;
  std::vector<double> peaks;  ///< of every peer that was looked at, bytes
  std::vector<std::string> failures;

  double possible_s() const { return compute_s + what.line_s(); }
  double largest_peak() const;
};

void print(const large_findings& f);
nlohmann::json to_json(const large_findings& f);
std::vector<claim> judge(const large_findings& f);

}  // namespace swarm::experiments
