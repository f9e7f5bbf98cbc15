#pragma once

#include <caf/actor_system.hpp>

#include "actors/supervision/supervisor.hpp"
#include "actors/training/coordinator.hpp"
#include "actors/training/evaluator.hpp"
#include "actors/training/trainer.hpp"

namespace swarm::peer {

struct training_peer_options {
  peer_id id;
  training::trainer_options trainer;      ///< id and directory are filled in
  training::evaluator_options evaluator;  ///< directory is filled in
  wire::directory_actor directory;
  supervision::policy_options restart;
};

/// A training peer: trainer and evaluator under one supervisor (one_for_one). A trainer that dies
/// loses nothing that the coordinator cannot lease again.
caf::actor spawn_training_peer(caf::actor_system& system, training_peer_options options);

}  // namespace swarm::peer
