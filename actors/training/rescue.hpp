#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "actors/ids.hpp"

namespace swarm::training {

/// What a coordinator does when a stage has nobody, or cannot make the step that others have made.
struct rescue {
  enum class verdict : uint8_t {
    restore,  ///< everybody goes back to `weights`
    move,     ///< first these workers go to these stages
    wait,     ///< `stage` has nobody and no other stage can spare anybody: somebody must join
    lost      ///< of `stage` there is no copy of weights that all others have
  };

  verdict what = verdict::wait;
  weights_id weights{};
  std::optional<stage_id> stage;
  std::vector<std::pair<worker_id, stage_id>> moves;
  /// By stage, who has a copy of `weights`.
  std::map<stage_id, std::vector<worker_id>> holders;
  /// Of `lost`: by stage, the newest copy there is.
  std::map<stage_id, weights_id> newest;

  /// Of `wait` and `lost`: what is missing and what to do.
  std::string sentence() const;
};

/// A run that was down goes on.
std::string resumed_sentence(step_id version);

/// What the loss of a stage, if it is known which, has cost.
std::string rescued_sentence(std::optional<stage_id> stage, step_id from, step_id to);

using stage_copies = std::map<stage_id, std::set<weights_id>>;
using inventory_map = std::map<worker_id, stage_copies>;

/// Whether somebody who serves `own` has a copy of these weights that counts in `backed_up`.
bool is_backup(weights_id weights, stage_id own, const stage_copies& kept, int32_t stages);

/// Of every stage there is a copy of these weights with somebody who serves another stage; of a run
/// with one stage, with two. Who is not in `places` serves nothing.
bool backed_up(weights_id weights, const std::map<worker_id, stage_id>& places,
               const inventory_map& inventories, int32_t stages);

/// The newest weights of which every stage has a copy somewhere; of two histories those of the
/// later one. Copies of one version in two histories do not fit together. Whoever moves comes from
/// the stage with the most workers, which keeps at least one; `places` are all workers, serving or
/// not. Those in `silent` have not answered the last Restore: they do not count as workers, or a
/// stage whose only worker hangs would be tried again and again and nobody sent there. Where nobody
/// can be sent they are hoped for. What their processes keep can still be fetched.
rescue plan_rescue(const std::map<worker_id, stage_id>& places, const inventory_map& inventories,
                   int32_t stages, const std::set<worker_id>& silent = {});

}  // namespace swarm::training
