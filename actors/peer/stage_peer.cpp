#include "actors/peer/stage_peer.hpp"

#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "actors/averaging/averager.hpp"
#include "actors/rebalancing/rebalancer.hpp"
#include "actors/stage/compute_watch.hpp"
#include "actors/stage/replicator.hpp"

namespace swarm::peer {

namespace {

using supervision::child_spec;
using supervision::children_view;

/// Where the peer is now. Its actors may run on different threads.
class place {
 public:
  place(stage_id stage, std::function<std::shared_ptr<stage::state_store>(stage_id)> make_store)
      : make_store_(std::move(make_store)), stage_(stage), store_(open(stage)) {}

  stage_id stage() const {
    const std::lock_guard<std::mutex> lock{mutex_};
    return stage_;
  }
  std::shared_ptr<stage::state_store> store() const {
    const std::lock_guard<std::mutex> lock{mutex_};
    return store_;
  }
  /// The peer's supervisor, which lets the stage restart there; invalid if it is gone.
  caf::actor move(stage_id to) {
    auto store = open(to);
    const std::lock_guard<std::mutex> lock{mutex_};
    stage_ = to;
    store_ = std::move(store);
    return caf::actor_cast<caf::actor>(root_);
  }
  void root(const caf::actor& root) {
    const std::lock_guard<std::mutex> lock{mutex_};
    root_ = caf::actor_cast<caf::weak_actor_ptr>(root);
  }

 private:
  std::shared_ptr<stage::state_store> open(stage_id stage) const {
    return make_store_ ? make_store_(stage) : nullptr;
  }

  const std::function<std::shared_ptr<stage::state_store>(stage_id)> make_store_;
  mutable std::mutex mutex_;
  stage_id stage_;
  std::shared_ptr<stage::state_store> store_;
  caf::weak_actor_ptr root_;
};

/// What the parts of one peer share.
struct peer_state {
  explicit peer_state(stage_peer_options given)
      : options(std::move(given)),
        here(options.stage, options.make_store),
        snapshots(options.snapshots ? options.snapshots
                                    : std::make_shared<stage::snapshot_store>()),
        incarnation(options.first_incarnation.value() - 1) {}

  const stage_peer_options options;
  place here;
  const std::shared_ptr<stage::snapshot_store> snapshots;
  const std::shared_ptr<stage::line_use> line = std::make_shared<stage::line_use>();
  uint32_t incarnation;  ///< one count for averager and worker: one life of the whole stage
};
using peer_ptr = std::shared_ptr<peer_state>;

child_spec compute_child(const peer_ptr& peer) {
  child_spec spec;
  spec.id = "compute";
  // It knows how long its device may take.
  spec.shutdown_timeout = supervision::no_shutdown_limit;
  spec.factory = [peer](caf::event_based_actor* self, const children_view&) {
    const auto& options = peer->options;
    stage::compute_watch_options watched;
    watched.id = {options.id, incarnation_id{peer->incarnation + 1}};
    watched.stage = peer->here.stage();
    watched.telemetry = options.telemetry;
    watched.limits = options.compute_limits;
    watched.wrap = options.wrap_compute;
    auto& compute = watched.compute;
    compute.make_engine = [make = options.make_engine, at = peer->here.stage()] {
      return make(at);
    };
    compute.claim = std::make_shared<stage::device_claim>(options.slots);
    compute.detached = options.detached;
    compute.activation_cache_bytes = options.activation_cache_bytes;
    compute.allow_virtual = options.allow_virtual;
    return caf::actor_cast<caf::actor>(
        stage::spawn_watched_compute(self->system(), std::move(watched)));
  };
  return spec;
}

child_spec averager_child(const peer_ptr& peer) {
  child_spec spec;
  spec.id = "averager";
  spec.factory = [peer](caf::event_based_actor* self, const children_view&) {
    averaging::averager_options averager;
    averager.id = {peer->options.id, incarnation_id{++peer->incarnation}};
    averager.stage = peer->here.stage();
    averager.directory = peer->options.directory;
    averager.telemetry = peer->options.telemetry;
    averager.limits = peer->options.averaging;
    averager.part_elements = peer->options.part_elements;
    return caf::actor_cast<caf::actor>(
        averaging::spawn_averager(self->system(), std::move(averager)));
  };
  return spec;
}

child_spec worker_child(const peer_ptr& peer, const caf::actor& replicator) {
  child_spec spec;
  spec.id = "stage_worker";
  spec.factory = [peer, replicator](caf::event_based_actor* self, const children_view& view) {
    const auto& options = peer->options;
    stage::stage_worker_options worker;
    worker.id = {options.id, incarnation_id{peer->incarnation}};
    worker.stage = peer->here.stage();
    const bool first_life = peer->incarnation == options.first_incarnation.value();
    worker.start = first_life ? options.start : stage::start_mode::fetch;
    worker.compute = view.get<stage::compute_actor>("compute");
    worker.averager = view.get<wire::averager_actor>("averager");
    worker.directory = options.directory;
    worker.telemetry = options.telemetry;
    worker.store = peer->here.store();
    worker.snapshots = peer->snapshots;
    worker.line = peer->line;
    worker.replicator = replicator;
    worker.announce_period = options.announce_period;
    worker.chunk_timeout = options.chunk_timeout;
    worker.fetch_retry = options.fetch_retry;
    worker.chunk_bytes = options.chunk_bytes;
    worker.download_window_bytes = options.download_window_bytes;
    return caf::actor_cast<caf::actor>(
        stage::spawn_stage_worker(self->system(), std::move(worker)));
  };
  return spec;
}

std::string name_of(const peer_ptr& peer) {
  return "peer-" + std::to_string(peer->options.id.value());
}

child_spec stage_child(const peer_ptr& peer) {
  child_spec spec;
  spec.id = "stage";
  spec.shutdown_timeout = supervision::no_shutdown_limit;
  spec.factory = [peer](caf::event_based_actor* self, const children_view& view) {
    supervision::supervisor_options inner;
    inner.name = name_of(peer) + "/stage";
    inner.policy = peer->options.restart;
    inner.policy.strategy = supervision::restart_strategy::one_for_all;
    inner.seed = peer->options.id.value();
    return supervision::spawn_supervisor(
        self->system(), std::move(inner),
        {compute_child(peer), averager_child(peer), worker_child(peer, view.get("replicator"))});
  };
  return spec;
}

void serve_elsewhere(const peer_ptr& peer, stage_id to) {
  if (const auto root = peer->here.move(to))
    caf::anon_send(root, supervision::restart_atom::value, std::string{"stage"});
}

child_spec replicator_child(const peer_ptr& peer) {
  child_spec spec;
  spec.id = "replicator";
  spec.factory = [peer](caf::event_based_actor* self, const children_view&) {
    stage::replicator_options replicator;
    replicator.id = peer->options.id;
    replicator.stages = static_cast<int32_t>(peer->options.stages.size());
    replicator.serves = [peer] { return peer->here.stage(); };
    replicator.store = [peer] { return peer->here.store(); };
    replicator.move = [peer](stage_id to) { serve_elsewhere(peer, to); };
    replicator.snapshots = peer->snapshots;
    replicator.line = peer->line;
    replicator.directory = peer->options.directory;
    replicator.telemetry = peer->options.telemetry;
    replicator.backup_period = peer->options.backup_period;
    replicator.chunk_timeout = peer->options.chunk_timeout;
    replicator.chunk_bytes = peer->options.chunk_bytes;
    replicator.download_window_bytes = peer->options.download_window_bytes;
    return caf::actor_cast<caf::actor>(
        stage::spawn_replicator(self->system(), std::move(replicator)));
  };
  return spec;
}

child_spec rebalancer_child(const peer_ptr& peer) {
  child_spec spec;
  spec.id = "rebalancer";
  spec.factory = [peer](caf::event_based_actor* self, const children_view&) {
    rebalancing::rebalancer_options options;
    options.id = peer->options.id;
    options.policy = peer->options.policy;
    options.settings = peer->options.policy_settings;
    options.seed = peer->options.id.value();
    options.stages = peer->options.stages;
    options.directory = peer->options.directory;
    options.telemetry = peer->options.telemetry;
    return caf::actor_cast<caf::actor>(
        rebalancing::spawn_rebalancer(self->system(), std::move(options)));
  };
  return spec;
}

}  // namespace

caf::actor spawn_stage_peer(caf::actor_system& system, stage_peer_options options) {
  const auto peer = std::make_shared<peer_state>(std::move(options));
  supervision::supervisor_options root;
  root.name = name_of(peer);
  root.policy = peer->options.restart;
  root.policy.strategy = supervision::restart_strategy::rest_for_one;
  root.seed = peer->options.id.value();
  std::vector<child_spec> children;
  if (!peer->options.stages.empty()) children.push_back(replicator_child(peer));
  children.push_back(stage_child(peer));
  if (!peer->options.stages.empty() && peer->options.policy != rebalancing::policy_kind::none)
    children.push_back(rebalancer_child(peer));
  auto started = supervision::spawn_supervisor(system, std::move(root), std::move(children));
  peer->here.root(started);
  return started;
}

}  // namespace swarm::peer
