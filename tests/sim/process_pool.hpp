#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace swarm::campaign {

inline constexpr int64_t pool_jobs_max = 64;
/// Children that die before the pool gives up.
inline constexpr int pool_deaths_max = 20;

struct pool_options {
  uint64_t tasks = 0;
  int64_t jobs = 1;  ///< child processes, at most pool_jobs_max
  /// Wall time of one task; a child that takes longer is killed.
  double task_s_max = 300;
};

/// In the parent, between two children's lines.
struct pool_listener {
  /// A task has ended. False: that is enough.
  std::function<bool(const std::string& line)> line;
  /// A child has died in a task, or was killed because that took too long. False: enough.
  std::function<bool(uint64_t task, const std::string& how)> died;
  /// Several times per second; optional.
  std::function<void()> tick;
};

enum class pool_end : uint8_t { complete, stopped, interrupted, too_many_deaths };

/// Runs task(0), task(1), ... in forked children, each of which takes the next one when it is free;
/// a task returns one line of text, without a newline. A child that dies is replaced. SIGINT and
/// SIGTERM end everybody. Call it before anything has started a thread.
pool_end run_in_children(const pool_options& options,
                         const std::function<std::string(uint64_t)>& task,
                         const pool_listener& listener);

}  // namespace swarm::campaign
