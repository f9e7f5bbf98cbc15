#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "experiments/joining_children.hpp"
#include "tensors/data/corpus.hpp"
#include "tools/options/run_options.hpp"

namespace swarm::experiments {

/// What a process wrote into its telemetry: seconds since it began, and the fields.
struct told_event {
  double t = 0;
  nlohmann::json fields;

  std::string name() const { return fields.value("event", ""); }
};

/// Null when there is none.
const told_event* first_of(const std::vector<told_event>& events, const std::string& name);

struct live_run_options {
  std::string name;
  tools::run_options run;
  int64_t tokens = 1;       ///< processes that it will ever have, the trainer's included
  int64_t bytes_per_s = 0;  ///< of each process, each way; 0: no limit
  std::vector<std::string> trainer_arguments;
  std::vector<std::string> peer_arguments;
};

/// A run of the product's own processes on this machine: one trainer, which leads and where all
/// others find the run, and peers that come and go. TLS, telemetry on. All are killed at the end.
class live_run {
 public:
  live_run(live_run_options options, std::filesystem::path dir);

  /// One of its processes.
  struct process {
    size_t child = 0;
    int64_t token = 0;
  };

  /// Starts the trainer and so many peers per stage. A sentence when it fails.
  std::optional<std::string> begin(const tensors::corpus& data, const std::vector<int64_t>& peers);
  process trainer() const { return {0, 1}; }
  /// Those of the beginning, by stage.
  const std::vector<std::vector<process>>& first_peers() const { return first_; }

  /// One that fetches the stage's state from others.
  process start_peer(int64_t stage) { return start(stage, false); }
  /// Takes the machine's cores as a newcomer does, and knows nobody.
  process start_lone_peer();
  void kill(process which) { processes_.kill(which.child); }

  /// Listens until the condition holds; false when a process ended by itself or time is up.
  bool until(std::chrono::milliseconds limit, const std::function<bool()>& condition) {
    return processes_.until(limit, condition);
  }
  std::string failure() const;

  int64_t last_step() const { return last_step_; }
  /// That took part in the last step.
  int64_t workers(int64_t stage) const;

  std::vector<told_event> told_by(process which) const;
  /// Most memory that it had in RAM so far; 0 when it is gone.
  uint64_t peak_bytes(process which) const;

 private:
  std::filesystem::path folder(int64_t token) const;
  std::vector<std::string> arguments(const std::string& command, const std::string& bind,
                                     int64_t token) const;
  process start(int64_t stage, bool first);
  void hear(size_t from, const std::string& line);

  const live_run_options options_;
  const std::filesystem::path dir_;
  std::string seed_;
  int64_t next_token_ = 1;
  int64_t last_step_ = -1;
  std::vector<int64_t> workers_;
  std::vector<std::vector<process>> first_;
  children processes_;
};

}  // namespace swarm::experiments
