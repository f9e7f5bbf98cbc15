#include "actors/peer/training_peer.hpp"

#include <algorithm>
#include <caf/event_based_actor.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace swarm::peer {

using supervision::child_spec;
using supervision::children_view;

namespace {

child_spec coordinator_child(const training_peer_options& options) {
  const auto incarnation = std::make_shared<uint32_t>(options.first_incarnation.value() - 1);
  child_spec spec;
  spec.id = "coordinator";
  spec.factory = [options, incarnation](caf::event_based_actor* self, const children_view&) {
    auto mine = *options.coordinator;
    mine.id = {coordinator_id_of(options.id), incarnation_id{++*incarnation}};
    mine.first = mine.first && mine.id.incarnation == options.first_incarnation;
    mine.directory = options.directory;
    return caf::actor_cast<caf::actor>(
        training::spawn_coordinator(self->system(), std::move(mine)));
  };
  return spec;
}

}  // namespace

caf::actor spawn_training_peer(caf::actor_system& system, training_peer_options options) {
  const auto incarnation = std::make_shared<uint32_t>(options.first_incarnation.value() - 1);
  child_spec trainer;
  trainer.id = "trainer";
  trainer.factory = [options, incarnation](caf::event_based_actor* self, const children_view&) {
    auto mine = options.trainer;
    // Whichever coordinator leads has this one's options.
    if (options.coordinator)
      mine.renew_period = std::min(mine.renew_period, options.coordinator->lease_timeout / 4);
    mine.id = {options.id, incarnation_id{++*incarnation}};
    mine.directory = options.directory;
    return caf::actor_cast<caf::actor>(training::spawn_trainer(self->system(), std::move(mine)));
  };
  child_spec evaluator;
  evaluator.id = "evaluator";
  evaluator.factory = [options](caf::event_based_actor* self, const children_view&) {
    auto mine = options.evaluator;
    mine.directory = options.directory;
    return caf::actor_cast<caf::actor>(training::spawn_evaluator(self->system(), std::move(mine)));
  };
  std::vector<child_spec> children;
  if (options.coordinator) children.push_back(coordinator_child(options));
  children.push_back(std::move(trainer));
  children.push_back(std::move(evaluator));
  supervision::supervisor_options root;
  root.name = "trainer-" + std::to_string(options.id.value());
  root.policy = options.restart;
  root.policy.strategy = supervision::restart_strategy::one_for_one;
  root.seed = options.id.value();
  return supervision::spawn_supervisor(system, std::move(root), std::move(children));
}

}  // namespace swarm::peer
