#pragma once

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/expected.hpp>
#include <caf/scoped_actor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/ids.hpp"
#include "actors/peer/stage_peer.hpp"
#include "actors/peer/training_peer.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/training/errc.hpp"
#include "actors/wire/roster.hpp"
#include "tensors/codec/host_tensor.hpp"
#include "tensors/engine/stage_engine.hpp"
#include "tensors/model/model_config.hpp"
#include "tensors/optim/optimizer_config.hpp"

// All that a program with a swarm in it includes, beside CAF. README.md of this room has two such
// programs; make_engine returns an engine of yours or tensors::make_torch_engine, for which the
// program also depends on //tensors/engine:torch_engine.
namespace swarm::peer {

/// For the configuration of any actor system that holds a swarm: message types of all rooms.
void add_message_types(caf::actor_system_config& config);

struct embedded_options {
  int32_t stages = 1;
  int32_t workers_per_stage = 1;
  int32_t trainers = 1;
  std::function<std::unique_ptr<tensors::stage_engine>(stage_id)> make_engine;
  training::microbatch_source microbatches;
  training::microbatch_source validation;  ///< called as (0, index)
  int64_t microbatches_per_step = 1;
  int64_t tokens_per_microbatch = 1;
  int64_t context = 1;
  uint32_t in_flight = 4;  ///< microbatches per trainer
  wiring::policy_kind policy = wiring::default_policy;
  uint64_t routing_seed = 0;
  tensors::optimizer_config optimizer;
  double uniform_loss = 0;  ///< of training::divergence: ln of the vocabulary; 0: not known
  unsigned devices = 1;     ///< computations at once in this process: its cores
  bool detached = true;     ///< compute actors with threads of their own
  size_t activation_cache_bytes = size_t{1} << 30;
  std::chrono::milliseconds restart_delay{250};  ///< of a killed worker; doubles when it repeats
  caf::actor telemetry;                          ///< optional sink of telemetry::event
};

/// A whole swarm inside somebody's actor system: stages x workers stage peers, and trainers,
/// each a candidate for the coordinator's office. The front door for embedding; every call below
/// blocks the calling thread, which must not be one of the scheduler's.
///
///     caf::actor_system_config config;
///     swarm::peer::add_message_types(config);
///     caf::actor_system system{config};
///     swarm::peer::embedded_swarm swarm{system, options};
///     swarm.advance(100);
///
/// Not thread-safe. The destructor stops everything it started.
class embedded_swarm {
 public:
  embedded_swarm(caf::actor_system& system, embedded_options options);
  ~embedded_swarm();
  embedded_swarm(const embedded_swarm&) = delete;
  embedded_swarm& operator=(const embedded_swarm&) = delete;

  /// Commits optimizer steps until the model has this version.
  caf::expected<int64_t> advance(int64_t version);

  /// Mean validation loss over this many batches, nats.
  caf::expected<double> evaluate(int64_t batches);

  caf::expected<std::vector<int32_t>> generate(std::vector<int32_t> prompt, int64_t count,
                                               double temperature, uint64_t seed);

  /// The flat parameters of each stage, f32 [flat_size], at the version that training stands at.
  caf::expected<std::vector<tensors::host_tensor>> parameters(int64_t version);

  /// Everybody that is announced now.
  std::vector<wire::member> members();

  /// Kills the `index`-th serving worker of a stage as the operating system would, without a
  /// goodbye; returns at once. False when there is none.
  bool kill_worker(stage_id stage, size_t index = 0,
                   std::chrono::milliseconds after = std::chrono::milliseconds{0});

  /// The same to the coordinator that leads. With more than one trainer another takes over, else
  /// the one that restarts.
  bool kill_coordinator();

  /// The coordinator that leads now, for callers that drive the swarm with messages of their own.
  /// Waits while there is none; invalid when nobody leads for a minute.
  training::coordinator_actor coordinator();
  const wire::directory_actor& directory() const { return directory_; }

 private:
  caf::actor_system& system_;
  embedded_options options_;
  caf::scoped_actor self_;
  wire::directory_actor directory_;
  std::vector<caf::actor> peers_;
  std::vector<caf::actor> trainers_;
};

}  // namespace swarm::peer
