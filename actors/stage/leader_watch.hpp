#pragma once

#include <map>
#include <optional>

#include "actors/ids.hpp"

namespace swarm::stage {

/// Whether a leader's beats reach this worker, for a candidate that asks before it takes over. No
/// actors; time comes in as seconds.
///
/// A leader is there while its beats come. It is not there any more once its process is seen to go
/// or to stand down: then nobody has to wait for its last beat to grow old.
class leader_watch {
 public:
  /// A beat, or an order that is obeyed.
  void heard(term_id term, double now_seconds) {
    if (beat_ && term < beat_->term) return;
    beat_ = {term, now_seconds};
  }

  /// A candidate says that it leads, or that it does not.
  void announced(worker_id candidate, term_id term, bool leads) {
    if (leads) {
      leaders_[candidate] = term;
      return;
    }
    gone(candidate);
  }

  void gone(worker_id candidate) {
    const auto found = leaders_.find(candidate);
    if (found == leaders_.end()) return;
    if (beat_ && beat_->term == found->second) beat_.reset();
    leaders_.erase(found);
  }

  bool leads_now(double now_seconds, double patience_seconds) const {
    return beat_ && now_seconds - beat_->at_seconds < patience_seconds;
  }

 private:
  struct last_beat {
    term_id term;
    double at_seconds = 0;
  };

  std::optional<last_beat> beat_;
  std::map<worker_id, term_id> leaders_;  ///< who says so
};

}  // namespace swarm::stage
