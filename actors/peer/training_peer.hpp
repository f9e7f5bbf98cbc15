#pragma once

#include <caf/actor_system.hpp>
#include <optional>

#include "actors/peer/peer_ids.hpp"
#include "actors/supervision/supervisor.hpp"
#include "actors/training/coordinator.hpp"
#include "actors/training/evaluator.hpp"
#include "actors/training/trainer.hpp"

namespace swarm::peer {

struct training_peer_options {
  peer_id id;
  /// Of the first life; a peer that comes back after its process died needs a higher one than any
  /// of its lives had.
  incarnation_id first_incarnation{1};
  /// A candidate for the coordinator's office, if this peer is one; id and directory are filled in,
  /// and only its first life may be the first of the run.
  std::optional<training::coordinator_options> coordinator;
  training::trainer_options trainer;      ///< id and directory are filled in
  training::evaluator_options evaluator;  ///< directory is filled in
  wire::directory_actor directory;
  supervision::policy_options restart;
};

/// A training peer: coordinator candidate, trainer and evaluator under one supervisor
/// (one_for_one). A trainer that dies loses nothing that the coordinator cannot lease again, and a
/// coordinator nothing that its successor cannot ask the workers for.
caf::actor spawn_training_peer(caf::actor_system& system, training_peer_options options);

}  // namespace swarm::peer
