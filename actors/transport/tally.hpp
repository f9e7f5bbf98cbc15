#pragma once

#include <mutex>

#include "actors/transport/counters.hpp"

namespace swarm::transport {

/// Counters that other threads may read.
class tally {
 public:
  counters read() const {
    const std::lock_guard<std::mutex> guard{mutex_};
    return counted_;
  }
  void store(const counters& now) {
    const std::lock_guard<std::mutex> guard{mutex_};
    counted_ = now;
  }

 private:
  mutable std::mutex mutex_;
  counters counted_;
};

}  // namespace swarm::transport
