#include "tests/actors/training/random_run.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <cstdlib>
#include <iterator>
#include <sstream>

#include "actors/peer/directory.hpp"
#include "actors/telemetry/event.hpp"
#include "tests/actors/toy_engine.hpp"

namespace swarm::testing {

namespace {

using namespace std::chrono_literals;

constexpr uint64_t workers_per_stage = 2;
constexpr uint64_t first_coordinator = 1'000;
/// More than any of the runs takes; a hanging one needs for ever.
constexpr uint64_t jobs_max = 400'000;
constexpr auto virtual_time_max = 2h;

int64_t step_of(const telemetry::event& e) {
  for (const auto& field : e.fields)
    if (field.key == "step") return std::get<int64_t>(field.value);
  return -1;
}

}  // namespace

random_run::random_run(uint64_t seed, const setting& s) : world_(seed), setting_(s) {
  directory_ = world_.own(peer::spawn_directory(world_.system()));
  watcher_ = world_.own(spawn_watcher());
  caf::anon_send(directory_, wire::subscribe_atom::value, watcher_);
  world_.run();
  for (uint64_t c = 0; c < s.candidates; ++c)
    start_coordinator(life(first_coordinator + c), c == 0);
  for (int32_t stage = 0; stage < s.stages; ++stage)
    for (uint64_t w = 0; w < workers_per_stage; ++w)
      start_worker(stage_id{stage}, life(lives_.size() + 1));
  for (uint64_t t = 0; t < s.trainers; ++t)
    start_trainer(life(100 + t));
  world_.run();
}

random_run::~random_run() {
  // The workers' requests to their compute actors end with these.
  for (auto& [peer, life] : lives_)
    stop(life, caf::exit_reason::user_shutdown);
  world_.run();
}

// -- who is there ---------------------------------------------------------------------------------

caf::actor random_run::spawn_watcher() {
  return world_.system().spawn([this](caf::event_based_actor*) -> caf::behavior {
    return {[this](const telemetry::event& e) {
              ++(*events_)[e.name];
              if (e.name == "step" || e.name == "commit_finished")
                committed_ = std::max(committed_, step_of(e) + 1);
            },
            [this](const wire::roster_update& update) {
              for (const auto& id : update.gone)
                seen_.erase(id);
              for (const auto& m : update.changed)
                seen_[m.id] = {committed_, m.state == wire::member_state::serving};
            }};
  });
}

void random_run::start_coordinator(worker_id id, bool first) {
  training::coordinator_options options;
  options.id = id;
  options.first = first;
  options.target = step_id{target_};
  options.stages = setting_.stages;
  options.microbatches = setting_.microbatches;
  options.directory = directory_;
  options.telemetry = watcher_;
  coordinators_[id.peer.value()] = {
      id, world_.own(training::spawn_coordinator(world_.system(), options)), false};
}

void random_run::start_worker(stage_id at, worker_id id) {
  stage_life& life = lives_[id.peer.value()];
  if (setting_.stores && !life.store) life.store = std::make_shared<stage::memory_state_store>();
  stage_life_options options;
  options.stages = setting_.stages;
  options.microbatches = setting_.microbatches;
  options.activation_cache_bytes = setting_.activation_cache_bytes;
  options.chunk_bytes = setting_.chunk_bytes;
  options.directory = directory_;
  options.telemetry = watcher_;
  start(life, world_.system(), at, id, options);
}

void random_run::start_trainer(worker_id id) {
  training::trainer_options options;
  options.id = id;
  options.stages = setting_.stages;
  options.source = toy_microbatch;
  options.routing_seed = world_.below(1'000);
  options.saved_bytes_max = setting_.saved_bytes_max;
  options.directory = directory_;
  trainers_[id.peer.value()] = {id, world_.own(training::spawn_trainer(world_.system(), options))};
}

// -- the run --------------------------------------------------------------------------------------

void random_run::ask_everybody() {
  for (auto& [peer, candidate] : coordinators_) {
    if (candidate.asked) continue;
    candidate.asked = true;
    world_.own(world_.system().spawn([this, id = candidate.id, whom = candidate.actor,
                                      version = target_](caf::event_based_actor* self) {
      self->request(whom, caf::infinite, training::advance_atom::value, version)
          .then([=](int64_t reached) { answers_[id] = reached; }, [=](caf::error&) {});
    }));
  }
}

bool random_run::answered(bool by_all) const {
  size_t good = 0;
  for (const auto& [peer, candidate] : coordinators_) {
    const auto found = answers_.find(candidate.id);
    if (found != answers_.end() && found->second == target_) ++good;
  }
  return by_all ? good == coordinators_.size() : good > 0;
}

bool random_run::reach(int64_t version, bool faults) {
  target_ = version;
  answers_.clear();
  for (auto& [peer, candidate] : coordinators_)
    candidate.asked = false;
  for (uint64_t job = 0; job < jobs_max; ++job) {
    ask_everybody();
    ++jobs_;
    if (world_.elapsed() > virtual_time_max || !world_.step()) return false;
    if (answered(!faults)) return true;
    if (faults) do_harm();
    if (world_.below(20) == 0) restart_the_dead();
  }
  return false;
}

bool random_run::finish() {
  if (!reach(setting_.steps, true)) return false;
  restart_the_dead();
  if (!reach(setting_.steps + quiet_steps, false)) return false;
  // Whoever missed the last commit fetches.
  world_.pass(5s);
  for (int i = 0; i < 10 && !weights_are_right(); ++i)
    world_.pass(10s);
  return true;
}

bool random_run::weights_are_right() {
  stage_life_options options;
  options.stages = setting_.stages;
  options.microbatches = setting_.microbatches;
  return std::all_of(lives_.begin(), lives_.end(), [&](const auto& entry) {
    return has_weights(entry.second, options, target_);
  });
}

std::string random_run::describe() {
  std::ostringstream out;
  out << world_.elapsed().count() << " ms, " << jobs_ << " jobs, killed " << killed_ << " and "
      << coordinators_killed_ << " coordinators, ";
  for (const auto& [name, count] : *events_)
    out << name << ' ' << count << ", ";
  for (const auto& [peer, life] : lives_) {
    const auto found = seen_.find(life.id);
    out << "worker " << peer << '.' << life.id.incarnation.value() << " of stage "
        << life.stage.value()
        << (found == seen_.end()    ? " unseen, "
            : found->second.serving ? " serves, "
                                    : " joins, ");
  }
  for (const auto& [peer, life] : coordinators_)
    out << "coordinator " << peer << '.' << life.id.incarnation.value() << ", ";
  return out.str();
}

// -- harm -----------------------------------------------------------------------------------------

void random_run::do_harm() {
  const auto& s = setting_;
  if (s.one_kill_in != 0 && world_.below(s.one_kill_in) == 0) kill_somebody();
  if (s.one_coordinator_kill_in != 0 && world_.below(s.one_coordinator_kill_in) == 0)
    kill_a_coordinator();
  if (s.one_jump_in != 0 && world_.below(s.one_jump_in) == 0)
    world_.jump(std::chrono::milliseconds(world_.below(100'000)));
}

/// From the start, or for two whole commits, so that it surely takes part in this one.
bool random_run::settled(const stage_life& life) const {
  const auto found = seen_.find(life.id);
  if (!life.worker || found == seen_.end() || !found->second.serving) return false;
  const bool from_the_start = life.id.incarnation.value() == 1 && found->second.step == 0;
  return from_the_start || committed_ - found->second.step >= 2;
}

/// A stage whose last worker with the newest weights dies is lost; that is for backups, or for
/// what it has stored.
bool random_run::expendable(const stage_life& victim) const {
  if (!victim.worker) return false;
  if (setting_.stores) return true;
  for (const auto& [peer, life] : lives_)
    if (peer != victim.id.peer.value() && life.stage == victim.stage && settled(life)) return true;
  return false;
}

void random_run::kill_somebody() {
  world_.drain(caf::actor_cast<caf::actor>(directory_));
  world_.drain(watcher_);
  const auto index = world_.below(lives_.size() + trainers_.size());
  if (index < lives_.size()) {
    auto& victim = std::next(lives_.begin(), static_cast<std::ptrdiff_t>(index))->second;
    if (!expendable(victim)) return;
    const bool whole_stage = setting_.stores && world_.below(4) == 0;
    for (auto& [peer, life] : lives_)
      if (&life == &victim || (whole_stage && life.stage == victim.stage))
        stop(life, caf::exit_reason::kill);
  } else {
    auto& victim =
        std::next(trainers_.begin(), static_cast<std::ptrdiff_t>(index - lives_.size()))->second;
    caf::anon_send_exit(victim.actor, caf::exit_reason::kill);
    start_trainer({victim.id.peer, victim.id.incarnation.next()});
  }
  ++killed_;
}

void random_run::kill_a_coordinator() {
  const auto index = static_cast<std::ptrdiff_t>(world_.below(coordinators_.size()));
  const auto& victim = std::next(coordinators_.begin(), index)->second;
  caf::anon_send_exit(victim.actor, caf::exit_reason::kill);
  start_coordinator({victim.id.peer, victim.id.incarnation.next()}, false);
  ++coordinators_killed_;
}

void random_run::restart_the_dead() {
  for (auto& [peer, life] : lives_)
    if (!life.worker) start_worker(life.stage, {life.id.peer, life.id.incarnation.next()});
}

// -- many runs ------------------------------------------------------------------------------------

namespace {

uint64_t times_as_many() {
  const auto& suite = boost::unit_test::framework::master_test_suite();
  const std::string option = "--times=";
  for (int i = 1; i < suite.argc; ++i)
    if (std::string{suite.argv[i]}.rfind(option, 0) == 0)
      return std::strtoull(suite.argv[i] + option.size(), nullptr, 10);
  return 1;
}

}  // namespace

std::map<std::string, int> check_runs(uint64_t first, uint64_t seeds, const setting& s) {
  std::map<std::string, int> events;
  for (uint64_t seed = first; seed < first + seeds * times_as_many(); ++seed) {
    random_run run{seed, s};
    const bool finished = run.finish();
    const bool right = finished && run.weights_are_right();
    BOOST_TEST(finished, "seed " << seed << " hangs: " << run.describe());
    if (finished) BOOST_TEST(right, "seed " << seed << " has other weights: " << run.describe());
    events["killed"] += static_cast<int>(run.killed());
    events["coordinators killed"] += static_cast<int>(run.coordinators_killed());
    for (const auto& [name, count] : run.events())
      events[name] += count;
  }
  for (const auto& [name, count] : events)
    BOOST_TEST_MESSAGE(name << ' ' << count);
  return events;
}

}  // namespace swarm::testing
