#include "tests/actors/training/virtual_world.hpp"

#include <algorithm>
#include <caf/send.hpp>

#include "actors/peer/embedded_swarm.hpp"

namespace swarm::testing {

virtual_world::config::config() {
  set("scheduler.policy", caf::atom("testing"));
  peer::add_message_types(*this);
}

virtual_world::virtual_world(uint64_t seed)
    : random_(seed),
      system_(config_),
      scheduler_(dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler())),
      start_(scheduler_.clock().now()) {}

virtual_world::~virtual_world() {
  for (const auto& address : owned_)
    if (auto who = caf::actor_cast<caf::actor>(address))
      caf::anon_send_exit(who, caf::exit_reason::user_shutdown);
  run();
}

void virtual_world::pass(std::chrono::milliseconds time) {
  constexpr std::chrono::milliseconds step{10};
  run();
  for (; time.count() > 0; time -= step) {
    scheduler_.advance_time(std::min(step, time));
    run();
  }
}

bool virtual_world::step() {
  auto& jobs = scheduler_.jobs;
  if (jobs.empty()) return scheduler_.clock().trigger_timeout();
  const auto chosen = jobs.begin() + static_cast<std::ptrdiff_t>(below(jobs.size()));
  std::rotate(jobs.begin(), chosen, chosen + 1);
  return scheduler_.try_run_once();
}

void virtual_world::drain(const caf::actor& who) {
  while (scheduler_.prioritize(who))
    scheduler_.try_run_once();
}

std::chrono::milliseconds virtual_world::elapsed() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(scheduler_.clock().now() - start_);
}

void roster_watch::follow(virtual_world& world, const wire::directory_actor& directory) {
  const auto listener = world.own(world.system().spawn([this]() -> caf::behavior {
    return {[this](const wire::roster_update& update) {
      for (const auto& id : update.gone)
        members.erase(id);
      for (const auto& m : update.changed)
        members[m.id] = m;
    }};
  }));
  caf::anon_send(directory, wire::subscribe_atom::value, listener);
  world.run();
}

std::optional<wire::member> roster_watch::worker(uint64_t peer) const {
  std::optional<wire::member> found;
  for (const auto& [id, m] : members)
    if (id.peer.value() == peer && m.role == wire::member_role::stage_worker) found = m;
  return found;
}

wire::member serving(worker_id id, stage_id stage, const caf::actor& handle) {
  wire::member m;
  m.role = wire::member_role::stage_worker;
  m.id = id;
  m.stage = stage;
  m.state = wire::member_state::serving;
  m.handle = handle;
  m.averager = handle;
  return m;
}

worker_id life(uint64_t peer, uint32_t incarnation) {
  return {peer_id{peer}, incarnation_id{incarnation}};
}

}  // namespace swarm::testing
