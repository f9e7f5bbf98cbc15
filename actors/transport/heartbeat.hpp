#pragma once

#include "actors/transport/moment.hpp"

namespace swarm::transport {

/// When to send a beat, and when the far side has been silent for too long. Silence is counted in
/// the time that this process saw pass: one that was stopped itself first reads what waits for it.
class heartbeat {
 public:
  heartbeat(std::chrono::nanoseconds interval, std::chrono::nanoseconds silence_timeout,
            moment now);

  /// How often `tick` is to be called.
  std::chrono::nanoseconds tick_period() const { return period_; }

  struct verdict {
    bool beat = false;
    bool silent = false;
  };
  verdict tick(moment now);

  /// Something arrived.
  void heard(moment now);

 private:
  const std::chrono::nanoseconds interval_;
  const std::chrono::nanoseconds timeout_;
  const std::chrono::nanoseconds period_;
  moment next_beat_;
  moment counted_to_;
  std::chrono::nanoseconds silence_{};
};

}  // namespace swarm::transport
