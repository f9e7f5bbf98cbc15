#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace swarm::experiments {

struct detection_options {
  int64_t rounds = 100;  ///< of each fault
  int64_t watchers = 3;  ///< processes that look at the victim of a signal
  std::chrono::milliseconds heartbeat_interval{75};
  std::chrono::milliseconds silence_timeout{300};
  uint64_t seed = 1;  ///< of the moments at which the faults happen
};

/// Seconds from a fault to the moment when the directory of another process had withdrawn who was
/// hit; one per fault and process that looked.
struct detection_times {
  std::vector<double> kill;  ///< SIGKILL
  /// The control: until the operating system told the parent of the same death. Any excess over an
  /// instant is the machine's, not ours.
  std::vector<double> parent;
  std::vector<double> freeze;  ///< SIGSTOP
  /// The cable between two stops carrying anything, either way; seen from both ends.
  std::vector<double> silence;
};

/// Operating system processes on loopback, connected with TLS, each with a node (actors/peer) and
/// a member in its directory. A sentence when one of them fails, or a fault is not seen in time.
std::optional<std::string> measure_detection(
    const detection_options& options, detection_times& found,
    const std::function<void(const std::string& now)>& progress);

}  // namespace swarm::experiments
