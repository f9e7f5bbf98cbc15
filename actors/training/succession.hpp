#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "actors/ids.hpp"

namespace swarm::training {

/// A sum over one stage. An attempt may have two, if a member that counted as dead went on; both
/// have each microbatch once.
struct stage_sum {
  attempt_id attempt;
  std::string hash;  ///< empty: not known

  friend bool operator==(const stage_sum& a, const stage_sum& b) {
    return a.attempt == b.attempt && a.hash == b.hash;
  }
};

/// Where a worker stood when a new coordinator asked (schemas/step.capnp, Position).
struct position {
  stage_id stage{0};
  weights_id weights{};
  attempt_id reduced;  ///< none: no sum
  std::string hash;
  double squared_norm = 0;
  uint32_t counted = 0;
  attempt_id committed;        ///< none: it did not take part in the commit that made `weights`
  std::string committed_hash;  ///< of that sum; empty: it does not know
  double scale = 0;
  uint32_t committed_counted = 0;
};

/// What a new coordinator does with the step that it finds.
struct succession {
  enum class verdict : uint8_t {
    begin,   ///< all stages stand at `weights`: gather there what their workers hold
    finish,  ///< the step that made `weights` is committed at some stages: commit it at `lagging`
    commit,  ///< every stage has reduced the step from `weights`: commit it
    wait,    ///< a stage has nobody
    behind   ///< a stage has nobody who could make the step that others have committed
  };

  verdict what = verdict::wait;
  weights_id weights{};
  double scale = 0;         ///< of `finish` and `begin`
  double squared_norm = 0;  ///< of `commit`: over all stages
  uint32_t counted = 0;     ///< microbatches that count in that step
  /// Who gets the commit of `finish` or `commit`, and of which of its sums. Of `begin`: who lacks
  /// only the commit that made `weights`.
  std::map<worker_id, stage_sum> lagging;
  /// Of `begin`: the commit that made `weights`, by stage, as far as anybody knows. Those who
  /// applied it may die, and those who have not may come back.
  std::map<stage_id, stage_sum> made_by;
  std::optional<stage_id> stage;  ///< which one `wait` and `behind` mean
};

/// A commit that anybody has applied is a fact: it was decided because every stage had reduced. One
/// that nobody has applied may be decided now if every stage still holds its sum; the
/// predecessor can no longer decide anything, since everybody asked obeys the new term. Otherwise
/// the step is gathered again and nothing is lost, because local sums live until the commit.
///
/// Of two histories the later one counts: a stage of which everybody stands in an earlier one has
/// missed that the run went back, and is behind.
///
/// Every stage has its own attempts. Sums go together when all `microbatches` of the step are in
/// them: each has every microbatch once. With dropped ones they do when they are of one term and
/// have the same number in them, since one coordinator only ever drops more.
succession succeed(const std::map<worker_id, position>& positions, int32_t stages,
                   int64_t microbatches);

/// The stages of which nobody has answered.
std::set<stage_id> stages_without(const std::map<worker_id, position>& positions, int32_t stages);

}  // namespace swarm::training
