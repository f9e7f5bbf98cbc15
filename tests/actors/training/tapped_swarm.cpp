#include "tests/actors/training/tapped_swarm.hpp"

#include <algorithm>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include "actors/peer/directory.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/training/trainer.hpp"
#include "actors/wire/ticket.hpp"
#include "tests/actors/toy_engine.hpp"

namespace swarm::testing {

namespace {

/// Of a step order.
template <class Message>
auto place_of(const Message& m, int) -> decltype(m.read()->getRound(), tapped_call{}) {
  const auto body = m.read();
  return {"", 0, body->getTerm(), body->getStep(), body->getRound()};
}

/// Of a microbatch's call.
template <class Message>
auto place_of(const Message& m, int) -> decltype(m.read()->getTicket(), tapped_call{}) {
  const auto ticket = wire::from_wire(m.read()->getTicket());
  return {"", 0, ticket.term.value(), ticket.step.value(), ticket.round.value()};
}

tapped_call place_of(const wire::take_over& m, long) {
  return {"", 0, m.read()->getTerm(), 0, 0};
}

tapped_call place_of(const wire::infer&, long) {
  return {};
}
tapped_call place_of(const wire::state_request&, long) {
  return {};
}
tapped_call place_of(const wire::pre_vote&, long) {
  return {};
}

}  // namespace

tapped_swarm::tapped_swarm(int32_t stages, int64_t microbatches, bool trainer,
                           uint64_t workers_per_stage) {
  directory_ = world.own(peer::spawn_directory(world.system()));
  hidden_ = world.own(peer::spawn_directory(world.system()));
  telemetry_ = world.own(world.system().spawn([this]() -> caf::behavior {
    return {[this](const telemetry::event& e) { ++events[e.name]; }};
  }));
  options_.stages = stages;
  options_.microbatches = microbatches;
  options_.directory = spawn_proxy();
  options_.telemetry = telemetry_;
  for (int32_t s = 0; s < stages; ++s)
    for (uint64_t i = 1; i <= workers_per_stage; ++i) {
      const auto peer = static_cast<uint64_t>(s) * workers_per_stage + i;
      start(workers[peer], world.system(), stage_id{s}, life(peer), options_);
    }
  if (trainer) {
    training::trainer_options t;
    t.id = life(100);
    t.stages = stages;
    t.source = toy_microbatch;
    t.directory = options_.directory;
    world.own(training::spawn_trainer(world.system(), t));
  }
  world.run();
}

tapped_swarm::~tapped_swarm() {
  tap = nullptr;
  for (auto& [peer, life] : workers)
    stop(life, caf::exit_reason::user_shutdown);
  world.run();
}

void tapped_swarm::add_joiner(uint64_t peer, stage_id stage) {
  start(workers[peer], world.system(), stage, {peer_id{peer}, incarnation_id{2}}, options_);
}

/// Puts a line between each worker and everybody else, and tells both directories.
wire::directory_actor tapped_swarm::spawn_proxy() {
  const auto proxy = world.own(world.system().spawn([this](caf::event_based_actor* self) {
    return caf::behavior{[this](wire::announce_atom, wire::member m) {
                           if (m.role == wire::member_role::stage_worker) {
                             auto& line = lines_[m.id.peer.value()];
                             if (!line) line = spawn_line(m.id.peer.value(), m.handle);
                             m.handle = line;
                           }
                           announce(m);
                         },
                         [=](wire::subscribe_atom, const caf::actor& who) {
                           self->send(directory_, wire::subscribe_atom::value, who);
                         }};
  }));
  return caf::actor_cast<wire::directory_actor>(proxy);
}

void tapped_swarm::announce(const wire::member& m) {
  for (const auto& directory : {directory_, hidden_})
    caf::anon_send(directory, wire::announce_atom::value, m);
}

fate tapped_swarm::decide(tapped_call call) {
  calls.push_back(call);
  return tap ? tap(call) : fate::pass;
}

caf::actor tapped_swarm::spawn_line(uint64_t peer, const caf::actor& worker) {
  const auto to = caf::actor_cast<wire::stage_worker_actor>(worker);
  return world.own(world.system().spawn([=](caf::event_based_actor* self) -> caf::behavior {
    const auto on = [=](const char* kind, auto reply_type, auto message_type) {
      using reply = decltype(reply_type);
      using message = decltype(message_type);
      return [=](const message& m) -> caf::result<reply> {
        auto call = place_of(m, 0);
        call.kind = kind;
        call.worker = peer;
        switch (decide(std::move(call))) {
          case fate::pass:
            return self->delegate(to, m);
          case fate::lose:
            break;
          case fate::lose_answer:
            self->request(to, caf::infinite, m).then([](const reply&) {}, [](caf::error&) {});
        }
        return self->make_response_promise<reply>();
      };
    };
    return {on("Forward", wire::activation{}, wire::forward{}),
            on("Backward", wire::input_gradient{}, wire::backward{}),
            on("Loss", wire::loss_done{}, wire::loss{}),
            on("Infer", wire::inferred{}, wire::infer{}),
            on("Gather", wire::holding{}, wire::gather{}),
            on("Drop", wire::holding{}, wire::drop{}),
            on("Reduce", wire::reduced{}, wire::reduce{}),
            on("Commit", wire::committed{}, wire::commit{}),
            on("TakeOver", wire::position{}, wire::take_over{}),
            on("StateRequest", wire::state_chunk{}, wire::state_request{}),
            on("PreVote", wire::vote{}, wire::pre_vote{}),
            [=](const wire::beat& m) {
              if (beats_arrive) self->send(to, m);
            }};
  }));
}

training::coordinator_actor tapped_swarm::add_candidate(uint64_t peer, bool first, bool cut_off) {
  training::coordinator_options options;
  options.id = life(peer);
  options.first = first;
  options.stages = options_.stages;
  options.microbatches = options_.microbatches;
  options.directory = cut_off ? hidden_ : directory_;
  options.telemetry = telemetry_;
  candidates_[peer] = world.own(training::spawn_coordinator(world.system(), options));
  world.run();
  return candidates_[peer];
}

void tapped_swarm::kill_candidate(uint64_t peer) {
  caf::anon_send_exit(candidates_.at(peer), caf::exit_reason::kill);
}

void tapped_swarm::kill_worker(uint64_t peer) {
  caf::anon_send_exit(lines_.at(peer), caf::exit_reason::kill);
  stop(workers.at(peer), caf::exit_reason::kill);
}

void tapped_swarm::kill_worker_at(const std::string& kind, uint64_t peer) {
  tap = [this, kind, peer](const tapped_call& c) {
    if (c.kind != kind || c.worker != peer || c.step != 0) return fate::pass;
    if (lives(peer)) kill_worker(peer);
    return fate::lose;
  };
}

void tapped_swarm::advance(uint64_t peer, int64_t version) {
  world.own(world.system().spawn(
      [this, peer, version, whom = candidates_.at(peer)](caf::event_based_actor* self) {
        self->request(whom, caf::infinite, training::advance_atom::value, version)
            .then([=](int64_t now) { reached[peer] = now; }, [](caf::error&) {});
      }));
  world.run();
}

bool tapped_swarm::weights_are(int64_t steps) const {
  return std::all_of(workers.begin(), workers.end(), [&](const auto& entry) {
    return !entry.second.worker || has_weights(entry.second, options_, steps);
  });
}

int tapped_swarm::sent(const std::string& kind, uint64_t worker) const {
  return static_cast<int>(std::count_if(calls.begin(), calls.end(), [&](const auto& call) {
    return call.kind == kind && (worker == 0 || call.worker == worker);
  }));
}

}  // namespace swarm::testing
