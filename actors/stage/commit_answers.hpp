#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/stage/errc.hpp"
#include "actors/stage/replies.hpp"
#include "actors/stage/stage_worker.hpp"
#include "actors/stage/worker_base.hpp"

namespace swarm::stage {

/// The answers to commits, of which each may be asked for several times: they wait until the
/// weights are made.
class commit_answers {
 public:
  explicit commit_answers(worker_id self) : self_(self) {}

  /// The weights of a version are there, and `kept` is the newest on the disk; those of another are
  /// still waited for.
  void made(step_id version, std::string hash, std::optional<step_id> kept = std::nullopt) {
    made_ = version;
    hash_ = std::move(hash);
    kept_ = kept;
    for (auto& [wanted, reply] : std::exchange(waiting_, {})) {
      if (wanted == made_) {
        reply.deliver(committed_of(self_, made_, hash_, kept_));
      } else {
        waiting_.emplace_back(wanted, std::move(reply));
      }
    }
  }

  /// Precondition: the commit that makes this version has been accepted.
  void answer(const step_guard& guard, promise<wire::committed> reply) {
    if (made_ == guard.version())
      return static_cast<void>(reply.deliver(committed_of(self_, made_, hash_, kept_)));
    if (waiting_.size() < commit_repeats_max)
      return static_cast<void>(waiting_.emplace_back(guard.version(), std::move(reply)));
    reply.deliver(make_error({refusal_reason::overloaded, guard.term(), guard.version(), {}}));
  }

  /// The weights will not be made: another state comes.
  void refuse(const refusal& why) {
    for (auto& [wanted, reply] : std::exchange(waiting_, {}))
      reply.deliver(make_error(why));
  }

 private:
  worker_id self_;
  step_id made_;
  std::string hash_;
  std::optional<step_id> kept_;
  std::vector<std::pair<step_id, promise<wire::committed>>> waiting_;
};

}  // namespace swarm::stage
