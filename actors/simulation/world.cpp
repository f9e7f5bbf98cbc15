#include "actors/simulation/world.hpp"

#include <algorithm>
#include <caf/actor_cast.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/send.hpp>
#include <caf/system_messages.hpp>
#include <utility>

#include "actors/invariant.hpp"

namespace swarm::simulation {

namespace {

/// One message per job, so that the seed decides between any two.
constexpr size_t messages_per_job = 1;

caf::scheduled_actor& actor_of(caf::resumable* job) {
  SWARM_INVARIANT(job->subtype() == caf::resumable::scheduled_actor,
                  "only event-based actors live in a simulated world");
  return *static_cast<caf::scheduled_actor*>(job);
}

void kill_actor(caf::abstract_actor& actor) {
  // Ahead of what waits in its mailbox.
  actor.eq_impl(caf::make_message_id(caf::message_priority::high), nullptr, nullptr,
                caf::exit_msg{actor.address(), caf::exit_reason::kill});
}

}  // namespace

world::config::config(const message_types& types) {
  set("scheduler.policy", caf::atom("testing"));
  if (types) types(*this);
}

world::residence::residence(world& w, host_id where) : world_(w), before_(w.current_) {
  world_.settle_newcomers();
  world_.current_ = where;
}

world::residence::~residence() {
  world_.settle_newcomers();
  world_.current_ = before_;
}

world::world(uint64_t seed, const message_types& types)
    : random_(seed),
      config_(types),
      system_(config_),
      scheduler_(dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler())),
      runner_(system_, scheduler_.jobs),
      start_(scheduler_.clock().now()),
      hosts_(1) {
  settle_newcomers();
}

world::~world() {
  on_kill_.clear();
  on_freeze_.clear();
  for (uint32_t h = static_cast<uint32_t>(hosts_.size()); h-- > 0;)
    kill(host_id{h});
  // Messages under way hold their senders.
  scheduler_.clock().cancel_all();
}

moment world::now() {
  return std::chrono::duration_cast<moment>(scheduler_.clock().now() - start_);
}

host_id world::add_host() {
  hosts_.emplace_back();
  return host_id{static_cast<uint32_t>(hosts_.size() - 1)};
}

world::host_state& world::state_of(host_id which) {
  SWARM_INVARIANT(which.value() < hosts_.size(), "the host was added to this world");
  return hosts_[which.value()];
}

const world::host_state& world::state_of(host_id which) const {
  SWARM_INVARIANT(which.value() < hosts_.size(), "the host was added to this world");
  return hosts_[which.value()];
}

host_id world::host_of(caf::actor_id id) const {
  return id < host_of_.size() ? host_id{host_of_[id]} : current_;
}

void world::settle_newcomers() {
  const auto latest = system_.latest_actor_id();
  if (host_of_.size() > latest) return;
  host_of_.resize(latest + 1, current_.value());
  met_.resize(latest + 1);
}

void world::freeze(host_id which) {
  SWARM_INVARIANT(which != observer, "the observer is never frozen");
  if (std::exchange(state_of(which).frozen, true)) return;
  for (const auto& listener : on_freeze_)
    listener(which, true);
}

void world::thaw(host_id which) {
  auto& host = state_of(which);
  const bool was_frozen = std::exchange(host.frozen, false);
  for (auto* job : std::exchange(host.parked, {}))
    scheduler_.jobs.push_back(job);
  if (!was_frozen) return;
  for (const auto& listener : on_freeze_)
    listener(which, false);
}

void world::on_kill(std::function<void(host_id)> listener) {
  on_kill_.push_back(std::move(listener));
}

void world::on_freeze(std::function<void(host_id, bool)> listener) {
  on_freeze_.push_back(std::move(listener));
}

void world::kill(host_id which) {
  settle_newcomers();
  for (const auto& listener : on_kill_)
    listener(which);
  thaw(which);
  state_of(which).dying = true;
  for (const auto& weak : std::exchange(state_of(which).actors, {}))
    if (auto actor = caf::actor_cast<caf::strong_actor_ptr>(weak)) kill_actor(*actor->get());
  drain(which);
  state_of(which).dying = false;
}

/// Runs the jobs of one host, and nobody else's.
void world::drain(host_id which) {
  auto& jobs = scheduler_.jobs;
  std::vector<caf::resumable*> mine;
  size_t seen = 0;
  const auto take_mine = [&] {
    settle_newcomers();
    const auto first = jobs.begin() + static_cast<std::ptrdiff_t>(seen);
    const auto others = std::stable_partition(
        first, jobs.end(), [&](auto* job) { return host_of(actor_of(job).id()) != which; });
    mine.insert(mine.end(), others, jobs.end());
    jobs.erase(others, jobs.end());
    seen = jobs.size();
  };
  for (take_mine(); !mine.empty(); take_mine()) {
    auto* job = mine.back();
    mine.pop_back();
    run(job, actor_of(job), which);
  }
}

/// Before the first job of an actor.
void world::meet(caf::scheduled_actor& actor, caf::actor_id id, host_id where) {
  met_[id] = true;
  auto& host = hosts_[where.value()];
  if (host.dying) {
    kill_actor(actor);
  } else {
    host.actors.emplace_back(actor.ctrl());
  }
}

void world::run(caf::resumable* job, caf::scheduled_actor& actor, host_id where) {
  const auto id = actor.id();
  // The first job only makes the behavior when no message came before it.
  const bool starts = !met_[id];
  if (starts) meet(actor, id, where);
  const auto waiting = actor.mailbox().size();
  if (waiting > longest_mailbox_.messages) longest_mailbox_ = {waiting, actor.name()};
  if (!starts || waiting > 0) ++delivered_;
  hash_.add(id, static_cast<uint64_t>(now().count()), delivered_);
  const auto before = std::exchange(current_, where);
  const auto outcome = job->resume(&runner_, messages_per_job);
  settle_newcomers();
  current_ = before;
  switch (outcome) {
    case caf::resumable::resume_later:
      scheduler_.jobs.push_back(job);
      break;
    case caf::resumable::done:
    case caf::resumable::awaiting_message:
      caf::intrusive_ptr_release(job);
      break;
    case caf::resumable::shutdown_execution_unit:
      break;
  }
}

bool world::run_one() {
  auto& jobs = scheduler_.jobs;
  settle_newcomers();
  while (!jobs.empty()) {
    std::swap(jobs[random_.below(jobs.size())], jobs.back());
    auto* job = jobs.back();
    jobs.pop_back();
    auto& actor = actor_of(job);
    const auto where = host_of(actor.id());
    auto& host = hosts_[where.value()];
    if (host.frozen) {
      host.parked.push_back(job);
      continue;
    }
    run(job, actor, where);
    return true;
  }
  return false;
}

bool world::step() {
  if (run_one()) return true;
  const bool fired = scheduler_.clock().trigger_timeout();
  settle_newcomers();
  return fired;
}

void world::settle() {
  while (run_one()) {
  }
}

void world::run_until(moment time) {
  const auto end = start_ + time;
  auto& clock = scheduler_.clock();
  settle();
  while (!clock.schedule().empty() && clock.schedule().begin()->first <= end) {
    step();
    settle();
  }
  clock.current_time = std::max(clock.current_time, end);
}

size_t world::actors_alive(host_id which) const {
  const auto& actors = state_of(which).actors;
  return static_cast<size_t>(std::count_if(actors.begin(), actors.end(), [](const auto& weak) {
    const auto strong = weak.lock();
    auto* actor = strong ? dynamic_cast<caf::scheduled_actor*>(strong->get()) : nullptr;
    return actor != nullptr && !actor->mailbox().closed();
  }));
}

}  // namespace swarm::simulation
