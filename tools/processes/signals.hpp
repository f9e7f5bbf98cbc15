#pragma once

#include <signal.h>

#include <chrono>

namespace swarm::tools {

/// What asks a program to leave: SIGTERM, SIGINT and SIGHUP. Not SIGINT or SIGHUP where whoever
/// started it has it ignore them, as nohup does.
sigset_t leave_signals();

/// Those signals as questions instead of interruptions. To be made before any thread is
/// started, since threads inherit that the signals are blocked; a second signal while nobody asks
/// stays pending.
class stop_signals {
 public:
  stop_signals();
  ~stop_signals();
  stop_signals(const stop_signals&) = delete;
  stop_signals& operator=(const stop_signals&) = delete;

  /// Waits at most so long. True: one came.
  bool wait(std::chrono::milliseconds limit);

  /// From here on a signal ends the process at once.
  void release();

 private:
  sigset_t before_{};
  bool held_ = true;
};

}  // namespace swarm::tools
