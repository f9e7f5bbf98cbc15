#include "experiments/stopwatch.hpp"

#include <chrono>

namespace swarm::experiments {

namespace {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

stopwatch::stopwatch() : start_seconds_(now_seconds()) {}

double stopwatch::seconds() const {
  return now_seconds() - start_seconds_;
}

}  // namespace swarm::experiments
