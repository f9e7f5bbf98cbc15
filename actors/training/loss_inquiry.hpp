#pragma once

#include <optional>
#include <set>

#include "actors/ids.hpp"

namespace swarm::training {

/// Whether a stage that the coordinator does not reach is lost: others are asked whether they see
/// somebody serve it. No actors. Broken links of the coordinator alone are no reason to send a
/// whole run back.
class loss_inquiry {
 public:
  enum class verdict : uint8_t {
    open,
    lost,  ///< nobody sees it, or nobody is there to ask
    seen   ///< somebody does: the run does not go back
  };

  loss_inquiry(stage_id stage, std::set<worker_id> asked)
      : stage_(stage), awaited_(std::move(asked)) {}

  stage_id stage() const { return stage_; }

  /// `seen`: bit s, it sees a worker that serves stage s.
  void answered(worker_id id, uint64_t seen) {
    if (awaited_.erase(id) != 0 && (seen >> stage_.value() & 1) != 0) seen_ = true;
  }
  /// Gone, or silent.
  void failed(worker_id id) { awaited_.erase(id); }

  verdict now() const {
    if (seen_) return verdict::seen;
    return awaited_.empty() ? verdict::lost : verdict::open;
  }

 private:
  stage_id stage_;
  std::set<worker_id> awaited_;
  bool seen_ = false;
};

}  // namespace swarm::training
