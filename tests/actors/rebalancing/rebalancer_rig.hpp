#pragma once

#include <caf/event_based_actor.hpp>
#include <caf/sec.hpp>
#include <caf/send.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/peer/directory.hpp"
#include "actors/rebalancing/rebalancer.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/wire/ticket.hpp"
#include "tests/actors/rebalancing/views.hpp"
#include "tests/actors/training/virtual_world.hpp"

namespace swarm::rebalancing {

using verdict = schemas::MoveAnswer::Verdict;

using go_atom = caf::atom_constant<caf::atom("go")>;

inline wire::move_answer answer_of(verdict what) {
  wire::builder<schemas::MoveAnswer> message;
  message->setVerdict(what);
  return message.finish();
}

/// A candidate for the coordinator's office that says what the test wants.
struct fake_leader {
  /// Of the n-th question; nothing: it keeps the question.
  std::function<std::optional<wire::move_answer>(size_t n)> says = [](size_t) {
    return answer_of(verdict::GRANTED);
  };
  std::vector<std::pair<double, move>> asked;  ///< when, in seconds, and what
  std::vector<caf::response_promise> kept;
  bool fails = false;  ///< answers with an error
  wire::member self;
  caf::actor handle;
};

/// Peers of which each has a worker that only announces itself, a replicator that carries moves
/// out, and a rebalancer.
class rebalancer_rig {
 public:
  explicit rebalancer_rig(policy_kind policy = policy_kind::throughput) : policy_(policy) {
    directory_ = world.own(peer::spawn_directory(world.system()));
    telemetry_ = world.own(world.system().spawn([this]() -> caf::behavior {
      return {[this](const telemetry::event& e) { ++events[e.name]; }};
    }));
  }

  // A promise that is kept holds its actor.
  ~rebalancer_rig() {
    for (const auto& leader : leaders_) {
      leader->kept.clear();
      leader->self = {};
      leader->handle = nullptr;
    }
  }

  rebalancer_rig(const rebalancer_rig&) = delete;
  rebalancer_rig& operator=(const rebalancer_rig&) = delete;

  /// As many equal peers at each stage as `counts` says, with ids from 1; a state of so many bytes.
  void add_peers(const std::vector<int>& counts, double state_bytes = 0) {
    stages_.assign(counts.size(), {1, state_bytes});
    uint64_t peer = 0;
    for (size_t s = 0; s < counts.size(); ++s)
      for (int i = 0; i < counts[s]; ++i)
        add_peer(++peer, static_cast<int32_t>(s));
    world.run();
    for (auto& [id, p] : peers)
      start_rebalancer(id);
  }

  void add_leader(uint64_t peer, const std::shared_ptr<fake_leader>& leader, uint64_t term = 1,
                  wire::member_state state = wire::member_state::serving) {
    leader->handle = world.own(world.system().spawn([=](caf::event_based_actor* self) {
      return caf::behavior{[=](const wire::move_request& m) {
                             auto reply = self->make_response_promise<wire::move_answer>();
                             const auto body = m.read();
                             const move wish{wire::from_wire(body->getWorker()),
                                             stage_id{static_cast<int32_t>(body->getFrom())},
                                             stage_id{static_cast<int32_t>(body->getTo())}};
                             leader->asked.emplace_back(at(), wish);
                             if (leader->fails) {
                               reply.deliver(caf::make_error(caf::sec::runtime_error));
                             } else if (const auto said = leader->says(leader->asked.size())) {
                               reply.deliver(*said);
                             } else {
                               leader->kept.push_back(reply);
                             }
                             return reply;
                           },
                           [=](go_atom) {
                             for (auto& reply : std::exchange(leader->kept, {}))
                               reply.deliver(answer_of(verdict::GRANTED));
                           }};
    }));
    leaders_.push_back(leader);
    auto& m = leader->self;
    m.role = wire::member_role::coordinator;
    m.id = life(peer);
    m.state = state;
    m.term = term;
    m.handle = leader->handle;
    announce(m);
  }

  void leader_makes(const std::shared_ptr<fake_leader>& leader, int64_t version) {
    leader->self.version = version;
    announce(leader->self);
  }

  std::shared_ptr<fake_leader> add_leader() {
    auto leader = std::make_shared<fake_leader>();
    add_leader(1'000, leader);
    return leader;
  }

  /// In steps of a second; everybody tells from time to time that it is still there.
  void pass(std::chrono::seconds time) {
    for (; time.count() > 0; --time) {
      if (++seconds_ % 20 == 0)
        for (const auto& [id, p] : peers)
          if (p.talks) announce(p.self);
      world.jump(std::chrono::seconds{1});
      world.run();
    }
  }

  /// In seconds since the beginning.
  double at() { return std::chrono::duration<double>(world.elapsed()).count(); }

  /// Another life of this peer's worker.
  void restart(uint64_t peer, int32_t stage) {
    auto& p = peers.at(peer);
    stop_worker(peer);
    p.self.id.incarnation = p.self.id.incarnation.next();
    p.self.stage = stage_id{stage};
    p.self.handle = spawn_worker();
    announce(p.self);
  }

  void stop_worker(uint64_t peer) {
    caf::anon_send_exit(peers.at(peer).self.handle, caf::exit_reason::kill);
    world.run();
  }

  std::vector<int> counts() const {
    std::vector<int> result(stages_.size(), 0);
    for (const auto& [id, p] : peers)
      ++result[static_cast<size_t>(p.self.stage.value())];
    return result;
  }

  struct fake_peer {
    wire::member self;
    std::vector<int32_t> orders;  ///< stages
    bool talks = true;
  };

  /// Carries out what the replicators were told.
  void move_those_told() {
    for (const auto peer : std::exchange(move_later_, {}))
      restart(peer, peers.at(peer).orders.back());
  }

  testing::virtual_world world;
  std::map<uint64_t, fake_peer> peers;
  std::map<std::string, int> events;

 private:
  caf::actor spawn_worker() {
    return world.own(world.system().spawn([]() -> caf::behavior { return {[](int) {}}; }));
  }

  void announce(const wire::member& m) {
    caf::anon_send(directory_, wire::announce_atom::value, m);
    world.run();
  }

  void add_peer(uint64_t peer, int32_t stage) {
    auto& p = peers[peer];
    p.self = testing::serving(life(peer), stage_id{stage}, spawn_worker());
    p.self.rate = 1;
    p.self.replicator = world.own(world.system().spawn([this, peer, &p]() -> caf::behavior {
      return {[this, peer, &p](const wire::move_order& m) {
        p.orders.push_back(static_cast<int32_t>(m.read()->getStage()));
        move_later_.push_back(peer);
        wire::builder<schemas::MoveDone> done;
        done->setStage(m.read()->getStage());
        return done.finish();
      }};
    }));
    caf::anon_send(directory_, wire::announce_atom::value, p.self);
  }

  void start_rebalancer(uint64_t peer) {
    rebalancer_options options;
    options.id = peer_id{peer};
    options.policy = policy_;
    options.seed = peer;
    options.stages = stages_;
    options.directory = directory_;
    options.telemetry = telemetry_;
    world.own(spawn_rebalancer(world.system(), options));
    world.run();
  }

  policy_kind policy_;
  wire::directory_actor directory_;
  caf::actor telemetry_;
  std::vector<stage_record> stages_;
  std::vector<std::shared_ptr<fake_leader>> leaders_;
  std::vector<uint64_t> move_later_;
  int64_t seconds_ = 0;
};

}  // namespace swarm::rebalancing
