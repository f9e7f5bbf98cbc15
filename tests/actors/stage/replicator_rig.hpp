#pragma once

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "actors/peer/directory.hpp"
#include "actors/stage/errc.hpp"
#include "actors/stage/replicator.hpp"
#include "actors/stage/replies.hpp"
#include "actors/stage/state_store.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/wire/refusal.hpp"
#include "tests/actors/training/virtual_world.hpp"

/// Replicators of several peers without their workers, for what is tested of them.
namespace swarm::testing {

/// Time enough for a copy to reach its backup.
inline constexpr auto soon = std::chrono::seconds{5};
inline constexpr auto chunk_timeout = std::chrono::seconds{1};

/// Numbers that no other stage or version has.
inline stage::stored_state copy_of(int32_t stage, int64_t version) {
  std::vector<float> values(12);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(1'000 * stage + 20 * version) + static_cast<float>(i);
  return {step_id{version},
          tensors::host_tensor::adopt(std::move(values), {3, 4}),
          {{term_id{3}, round_id{2}}, 0.5, 7}};
}

inline bool is_copy_of(const std::optional<stage::stored_state>& kept, int32_t stage,
                       int64_t version) {
  if (!kept) return false;
  const auto right = copy_of(stage, version);
  return kept->version == right.version && kept->commit.attempt == right.commit.attempt &&
         kept->commit.scale == right.commit.scale && kept->commit.counted == right.commit.counted &&
         std::equal(kept->state.as<float>(), kept->state.as<float>() + 12, right.state.as<float>());
}

/// A replicator, and a worker that only announces itself.
struct peer_life {
  stage_id stage{0};
  std::shared_ptr<stage::snapshot_store> snapshots = std::make_shared<stage::snapshot_store>();
  std::shared_ptr<stage::memory_state_store> store;
  std::vector<int32_t> moves;
  wire::replicator_actor replicator;
  caf::actor worker;
};

using items = std::set<std::string>;  ///< "stage@version"

class replicators {
 public:
  /// As many peers at each stage as `counts` says, with ids from 1.
  explicit replicators(const std::vector<int>& counts,
                       std::function<void(stage::replicator_options&)> adjust = {})
      : stages_(static_cast<int32_t>(counts.size())), adjust_(std::move(adjust)) {
    directory_ = world.own(peer::spawn_directory(world.system()));
    telemetry_ = world.own(world.system().spawn([this]() -> caf::behavior {
      return {[this](const telemetry::event& e) { ++events[e.name]; }};
    }));
    uint64_t peer = 0;
    for (size_t s = 0; s < counts.size(); ++s)
      for (int i = 0; i < counts[s]; ++i)
        add(++peer, static_cast<int32_t>(s));
  }

  ~replicators() {
    for (auto& [id, p] : peers) {
      p.replicator = nullptr;
      p.worker = nullptr;
    }
  }

  replicators(const replicators&) = delete;
  replicators& operator=(const replicators&) = delete;

  peer_life& add(uint64_t id, int32_t stage) {
    auto& p = peers[id];
    p.stage = stage_id{stage};
    stage::replicator_options options;
    options.id = peer_id{id};
    options.stages = stages_;
    options.serves = [&p] { return p.stage; };
    options.store = [&p] { return p.store; };
    options.move = [&p](stage_id to) { p.moves.push_back(to.value()); };
    options.snapshots = p.snapshots;
    options.directory = directory_;
    options.telemetry = telemetry_;
    options.chunk_timeout = chunk_timeout;
    options.chunk_bytes = 24;
    if (adjust_) adjust_(options);
    p.replicator = world.own(stage::spawn_replicator(world.system(), options));
    p.worker = spawn_worker();
    announce(id, p.stage, p.worker, caf::actor_cast<caf::actor>(p.replicator));
    return p;
  }

  /// A peer whose replicator answers requests for states as the test says.
  void add_fake(uint64_t id, int32_t stage, std::function<caf::result<wire::state_chunk>()> says) {
    const auto replicator = world.own(world.system().spawn([says]() -> caf::behavior {
      return {[says](const wire::state_request&) { return says(); }};
    }));
    announce(id, stage_id{stage}, spawn_worker(), replicator);
  }

  void kill(uint64_t id) {
    caf::anon_send_exit(peers.at(id).replicator, caf::exit_reason::kill);
    caf::anon_send_exit(peers.at(id).worker, caf::exit_reason::kill);
    world.run();
  }

  void leave(uint64_t peer, int32_t stage, int64_t version) {
    peers.at(peer).snapshots->put(stage_id{stage}, copy_of(stage, version));
  }

  bool keeps(uint64_t peer, int32_t stage, int64_t version) {
    return is_copy_of(
        peers.at(peer).snapshots->find(stage_id{stage}, {stage::any_history, step_id{version}}),
        stage, version);
  }

  items inventory(uint64_t peer) {
    const auto reply = ask<wire::inventory>(world, peers.at(peer).replicator,
                                            wire::builder<schemas::InventoryRequest>{}.finish());
    BOOST_REQUIRE(reply->value);
    items result;
    const auto body = reply->value->read();
    for (const auto item : body->getItems())
      result.insert(std::to_string(item.getStage()) + "@" + std::to_string(item.getVersion()));
    return result;
  }

  std::shared_ptr<reply_slot<wire::state_chunk>> chunk(uint64_t peer, int32_t stage,
                                                       int64_t version, uint64_t first = 0,
                                                       int64_t newer_than = -1) {
    stage::download::question q;
    q.range.first = first;
    q.shard_elements = 2;
    if (version >= 0) q.only = weights_id{stage::any_history, step_id{version}};
    return ask<wire::state_chunk>(
        world, peers.at(peer).replicator,
        stage::request_of(stage_id{stage}, q, weights_id{{}, step_id{newer_than}}));
  }

  /// -1: refused.
  int64_t version_in(const std::shared_ptr<reply_slot<wire::state_chunk>>& reply) {
    return reply->value ? reply->value->read()->getVersion() : -1;
  }

  virtual_world world;
  std::map<uint64_t, peer_life> peers;
  std::map<std::string, int> events;

 private:
  caf::actor spawn_worker() {
    return world.own(world.system().spawn([]() -> caf::behavior { return {[](int) {}}; }));
  }

  void announce(uint64_t id, stage_id stage, const caf::actor& worker,
                const caf::actor& replicator) {
    auto m = serving(life(id), stage, worker);
    m.replicator = replicator;
    caf::anon_send(directory_, wire::announce_atom::value, m);
    world.run();
  }

  int32_t stages_;
  std::function<void(stage::replicator_options&)> adjust_;
  wire::directory_actor directory_;
  caf::actor telemetry_;
};

}  // namespace swarm::testing
