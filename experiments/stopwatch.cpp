#include "experiments/stopwatch.hpp"

#include <chrono>

namespace swarm::experiments {

stopwatch::stopwatch() : start_seconds_(machine_seconds()) {}

double stopwatch::seconds() const {
  return machine_seconds() - start_seconds_;
}

double machine_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace swarm::experiments
