#pragma once

#include <atomic>

namespace swarm::stage {

/// What the parts of one process need its line for, so that what can wait does: while its worker is
/// in an all-reduce, which is as slow as its slowest member, copies for backups come shard by
/// shard. Thread-safe: the worker says, the replicator asks.
class line_use {
 public:
  void reducing(bool now) { reducing_ = now; }
  bool reducing() const { return reducing_; }

 private:
  std::atomic<bool> reducing_{false};
};

}  // namespace swarm::stage
