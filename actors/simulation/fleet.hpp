#pragma once

#include <caf/actor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/faults/conditions.hpp"
#include "actors/simulation/host.hpp"
#include "actors/simulation/swarm_run.hpp"
#include "actors/stage/snapshot_store.hpp"
#include "actors/stage/state_store.hpp"

namespace swarm::peer {
struct stage_peer_options;
}

namespace swarm::simulation {

/// What the production actors wait for.
struct run_times {
  std::chrono::milliseconds call;
  std::chrono::milliseconds gather;
  std::chrono::milliseconds reduce;
  std::chrono::milliseconds lease;
  std::chrono::milliseconds election;
  std::chrono::milliseconds rescue_after;
  std::chrono::milliseconds backup_period;
  std::chrono::milliseconds announce_period;
  std::chrono::milliseconds chunk;
};

/// A scenario's knobs as one seed draws them.
struct fleet_plan {
  int32_t stages = 1;
  int32_t workers_per_stage = 1;
  int32_t trainers = 1;
  int64_t microbatches = 1;
  uint32_t in_flight = 1;
  double keep_state = 0;
  int64_t keep_every = 0;
  double rebalance_s = 0;
  uint64_t chunk_bytes = 0;  ///< 0: as the model says
  /// Bytes that one of a gradient, or of a state, stands for.
  double gradient_scale = 1;
  double state_scale = 1;
  moment forward{0};
  scenario::compute_knobs compute;  ///< both ends alike: drawn
  path_conditions path;
  host_conditions line;
  run_times times;
  contact_options contacts;
  std::optional<modelled_options> shape;  ///< of a stage; nothing: as the model says
  double mean_life_s = 0;
  std::vector<host_shape> hosts;  ///< empty: all alike
  wiring::policy_kind routing = wiring::default_policy;
};
fleet_plan draw_fleet(const scenario& what, splitmix64& random);
/// Takes these hosts instead of those that were drawn; nothing changes when there are none.
void give_hosts(fleet_plan& plan, const std::vector<host_shape>& hosts);

/// The hosts of one run and the production peers on them: first the stage peers, stage by stage,
/// then the training peers, each of which is a candidate for the coordinator's office.
class fleet {
 public:
  /// `on_engine`: a worker's engine did something; the first number is the member's.
  using engine_listener = std::function<void(size_t, const engine_event&)>;

  struct member {
    std::unique_ptr<host> where;
    std::shared_ptr<device> compute;
    std::unique_ptr<faults::conditions> compute_faults;
    int32_t stage = -1;  ///< where it serves now; -1: a training peer
    bool keeps_state = false;
    /// What survives its lives, by stage.
    std::map<int32_t, std::shared_ptr<stage::state_store>> stores;
    /// Of the life at hand: what its process can hand over.
    std::shared_ptr<stage::snapshot_store> snapshots;
    /// The compute actor of the life at hand: killing it makes the supervisor restart the stage.
    caf::weak_actor_ptr part;

    bool is_worker() const { return stage >= 0; }
    /// Null: its stage's state does not survive.
    const stage::state_store* store() const {
      const auto found = stores.find(stage);
      return found != stores.end() ? found->second.get() : nullptr;
    }
  };

  fleet(world& w, virtual_network& net, bridges& links, const fleet_plan& plan,
        const run_model& model, caf::actor sink, engine_listener on_engine, uint64_t seed);
  fleet(const fleet&) = delete;
  fleet& operator=(const fleet&) = delete;

  std::vector<member>& members() { return members_; }
  const fleet_plan& plan() const { return plan_; }

 private:
  host_shape shape_of(size_t index, int32_t stage) const;
  void add_worker(bridges& links, int32_t stage);
  void add_trainer(bridges& links, bool first);
  caf::actor spawn_worker(size_t index, const wire::directory_actor& directory, bool with_state);
  void scale_limits(peer::stage_peer_options& options) const;
  caf::actor spawn_trainer(size_t index, const wire::directory_actor& directory, bool first);
  void add_compute_faults(faults::conditions& to) const;

  world& world_;
  virtual_network& net_;
  fleet_plan plan_;
  run_model model_;
  caf::actor sink_;
  engine_listener on_engine_;
  uint64_t seed_;
  std::vector<member> members_;
};

}  // namespace swarm::simulation
