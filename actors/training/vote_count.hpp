#pragma once

#include <cstddef>

namespace swarm::training {

/// The workers' answers to a candidate that asks whether the leader has gone silent for them, too.
/// There is no quorum: whoever answers counts, since a swarm goes on with whoever is left.
class vote_count {
 public:
  void granted() { ++granted_; }
  void denied() { ++denied_; }

  /// Most of those who answered hear no leader. With nobody to ask it is up to the candidate:
  /// `alone_is_enough` when it has never known a worker, so that nobody can be led elsewhere.
  bool won(bool alone_is_enough) const {
    if (granted_ + denied_ == 0) return alone_is_enough;
    return denied_ < granted_;
  }

 private:
  size_t granted_ = 0;
  size_t denied_ = 0;
};

}  // namespace swarm::training
