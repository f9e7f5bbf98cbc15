#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/ids.hpp"

namespace swarm::training {

/// Whose weights are those of its stage, by what the replicas answer to a commit. No actors.
///
/// Replicas of a stage at one version have one hash. The hash of more than half of those who were
/// asked is the stage's. Without such a majority it is, once all have answered or will not, the one
/// that most have; of as many, the one of the first worker: one side has to go on, and nobody can
/// say which of two is wrong. What is decided stays, also for who answers later.
///
/// Guarded against: 1. three replicas, one of them corrupted and fastest; 2. its hash is the first
/// to come. The two good ones must not be sent to fetch, perhaps from the bad one.
class replica_hashes {
 public:
  /// Another version is committed.
  void begin() {
    stages_.clear();
    stage_of_.clear();
  }
  void asked(worker_id who, stage_id stage);
  void said(worker_id who, const std::string& hash);
  /// It does not answer, or is gone.
  void silent(worker_id who);

  /// Those whose weights are not their stage's; each is named once.
  std::vector<worker_id> take_diverged();

 private:
  struct replicas {
    std::set<worker_id> open;
    std::map<worker_id, std::string> hashes;
    std::optional<std::string> truth;
    std::set<worker_id> named;
  };

  static void decide(replicas& stage);

  std::map<stage_id, replicas> stages_;
  std::map<worker_id, stage_id> stage_of_;
};

}  // namespace swarm::training
