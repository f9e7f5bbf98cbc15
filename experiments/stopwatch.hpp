#pragma once

namespace swarm::experiments {

/// Seconds since it was made, on the machine's monotonic clock: for measuring the program itself,
/// never for deciding anything.
class stopwatch {
 public:
  stopwatch();
  double seconds() const;

 private:
  double start_seconds_;
};

}  // namespace swarm::experiments
