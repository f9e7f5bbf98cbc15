#include "actors/peer/embedded_swarm.hpp"

#include <caf/all.hpp>
#include <cmath>
#include <map>
#include <utility>

#include "actors/peer/directory.hpp"
#include "actors/peer/questions.hpp"
#include "actors/wire/error_sentence.hpp"

namespace swarm::peer {

namespace {

/// Ids of trainers, clear of the stage peers'.
constexpr uint64_t first_trainer_peer = uint64_t{1} << 32;

/// Inside a process nobody is silent for long.
constexpr std::chrono::milliseconds election_timeout{500};

/// A worker's request; longer than anything a healthy stage takes.
constexpr std::chrono::seconds ask_timeout{60};

}  // namespace

void add_message_types(caf::actor_system_config& config) {
  wire::add_message_types(config);
  supervision::add_supervision_message_types(config);
  telemetry::add_telemetry_message_types(config);
  wire::add_error_sentences(config);
}

embedded_swarm::embedded_swarm(caf::actor_system& system, embedded_options options)
    : system_(system),
      options_(std::move(options)),
      self_(system),
      directory_(spawn_directory(system)) {
  supervision::policy_options restart;
  restart.intensity = 10;
  restart.period = std::chrono::minutes(1);
  restart.backoff.min = options_.restart_delay;
  const auto slots = std::make_shared<stage::device_slots>(options_.devices);
  training::coordinator_options coordinator;
  coordinator.stages = options_.stages;
  coordinator.microbatches = options_.microbatches_per_step;
  coordinator.tokens_per_microbatch = options_.tokens_per_microbatch;
  coordinator.optimizer = options_.optimizer;
  coordinator.uniform_loss = options_.uniform_loss;
  coordinator.telemetry = options_.telemetry;
  coordinator.election_timeout = election_timeout;
  uint64_t next_peer = 1;
  for (int32_t s = 0; s < options_.stages; ++s) {
    for (int32_t w = 0; w < options_.workers_per_stage; ++w) {
      stage_peer_options peer;
      peer.id = peer_id{next_peer++};
      peer.stage = stage_id{s};
      peer.start = stage::start_mode::fresh;
      peer.make_engine = options_.make_engine;
      peer.slots = slots;
      peer.detached = options_.detached;
      peer.activation_cache_bytes = options_.activation_cache_bytes;
      peer.directory = directory_;
      peer.telemetry = options_.telemetry;
      peer.restart = restart;
      peers_.push_back(spawn_stage_peer(system_, std::move(peer)));
    }
  }
  for (int32_t t = 0; t < options_.trainers; ++t) {
    training_peer_options peer;
    peer.id = peer_id{first_trainer_peer + static_cast<uint64_t>(t)};
    peer.trainer.stages = options_.stages;
    peer.trainer.source = options_.microbatches;
    peer.trainer.in_flight = options_.in_flight;
    peer.trainer.policy = options_.policy;
    peer.trainer.routing_seed = options_.routing_seed + static_cast<uint64_t>(t);
    peer.evaluator.stages = options_.stages;
    peer.evaluator.context = options_.context;
    peer.evaluator.batches = [source = options_.validation](int64_t index) {
      return source(0, index);
    };
    coordinator.first = t == 0;
    peer.coordinator = coordinator;
    peer.directory = directory_;
    peer.restart = restart;
    trainers_.push_back(spawn_training_peer(system_, std::move(peer)));
  }
}

embedded_swarm::~embedded_swarm() {
  for (const auto& trainer : trainers_)
    self_->send_exit(trainer, caf::exit_reason::user_shutdown);
  for (const auto& trainer : trainers_)
    self_->wait_for(trainer);
  for (const auto& peer : peers_)
    self_->send_exit(peer, caf::exit_reason::user_shutdown);
  for (const auto& peer : peers_)
    self_->wait_for(peer);
  self_->send_exit(directory_, caf::exit_reason::user_shutdown);
  self_->wait_for(directory_);
}

caf::expected<int64_t> embedded_swarm::advance(int64_t version) {
  caf::expected<int64_t> result{caf::sec::request_receiver_down};
  // Another candidate goes on where a dead one stopped.
  while (!result && result.error() == caf::sec::request_receiver_down) {
    const auto leader = coordinator();
    if (!leader) return training::make_error(training::errc::stage_unreachable);
    self_->request(leader, caf::infinite, training::advance_atom::value, version)
        .receive([&](int64_t reached) { result = reached; },
                 [&](caf::error& error) { result = std::move(error); });
  }
  return result;
}

training::coordinator_actor embedded_swarm::coordinator() {
  std::map<worker_id, caf::actor> leaders;
  // A fresh mailbox, so that later updates do not pile up in ours.
  caf::scoped_actor visitor{system_};
  visitor->send(directory_, wire::subscribe_atom::value, caf::actor{visitor});
  bool waiting = true;
  while (leaders.empty() && waiting) {
    visitor->receive(
        [&](const wire::roster_update& update) {
          for (const auto& id : update.gone)
            leaders.erase(id);
          for (const auto& m : update.changed)
            if (m.role == wire::member_role::coordinator && m.state == wire::member_state::serving)
              leaders[m.id] = m.handle;
        },
        caf::after(ask_timeout) >> [&] { waiting = false; });
  }
  if (leaders.empty()) return {};
  return caf::actor_cast<training::coordinator_actor>(leaders.begin()->second);
}

bool embedded_swarm::kill_coordinator() {
  const auto leader = coordinator();
  if (!leader) return false;
  self_->send_exit(leader, caf::exit_reason::kill);
  return true;
}

caf::expected<double> embedded_swarm::evaluate(int64_t batches) {
  caf::expected<double> result{training::make_error(training::errc::stage_unreachable)};
  const auto who = evaluator_of(self_, trainers_.front());
  if (!who) return result;
  self_->request(who, caf::infinite, training::evaluate_atom::value, batches)
      .receive([&](double loss) { result = loss; },
               [&](caf::error& error) { result = std::move(error); });
  return result;
}

caf::expected<std::vector<int32_t>> embedded_swarm::generate(std::vector<int32_t> prompt,
                                                             int64_t count, double temperature,
                                                             uint64_t seed) {
  caf::expected<std::vector<int32_t>> result{
      training::make_error(training::errc::stage_unreachable)};
  const auto who = evaluator_of(self_, trainers_.front());
  if (!who) return result;
  self_
      ->request(who, caf::infinite, training::generate_atom::value, std::move(prompt), count,
                temperature, seed)
      .receive([&](std::vector<int32_t>& tokens) { result = std::move(tokens); },
               [&](caf::error& error) { result = std::move(error); });
  return result;
}

std::vector<wire::member> embedded_swarm::members() {
  std::vector<wire::member> result;
  // A fresh mailbox, so that later updates do not pile up in ours.
  caf::scoped_actor visitor{system_};
  visitor->send(directory_, wire::subscribe_atom::value, caf::actor{visitor});
  visitor->receive([&](wire::roster_update& update) { result = std::move(update.changed); });
  return result;
}

bool embedded_swarm::kill_worker(stage_id stage, size_t index, std::chrono::milliseconds after) {
  for (const auto& member : members()) {
    if (member.role != wire::member_role::stage_worker || member.stage != stage ||
        member.state != wire::member_state::serving)
      continue;
    if (index-- != 0) continue;
    self_->delayed_anon_send(member.handle, after,
                             caf::exit_msg{self_->address(), caf::exit_reason::kill});
    return true;
  }
  return false;
}

caf::expected<std::vector<tensors::host_tensor>> embedded_swarm::parameters(int64_t version) {
  std::vector<tensors::host_tensor> result;
  for (int32_t s = 0; s < options_.stages; ++s) {
    auto flat = fetch_parameters(self_, members(), stage_id{s}, version);
    if (!flat) return flat.error();
    result.push_back(*flat);
  }
  return result;
}

}  // namespace swarm::peer
