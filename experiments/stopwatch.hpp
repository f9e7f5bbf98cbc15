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

/// The same clock since some moment that is one for all processes of a machine, until it is
/// started again: for comparing what two of them read.
double machine_seconds();

}  // namespace swarm::experiments
