#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <cstring>
#include <map>
#include <optional>

#include "actors/averaging/averager.hpp"
#include "actors/peer/directory.hpp"
#include "actors/stage/stage_worker.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/training/coordinator.hpp"
#include "actors/training/trainer.hpp"
#include "tests/actors/toy_engine.hpp"
#include "tests/actors/training/virtual_world.hpp"

namespace {

using namespace swarm;
using namespace std::chrono_literals;

struct setting {
  int32_t stages = 2;
  uint64_t trainers = 1;
  int64_t steps = 8;
  int64_t microbatches = 6;
  size_t activation_cache_bytes = 1 << 20;
  size_t saved_bytes_max = 1 << 20;
  uint64_t one_kill_in = 0;  ///< jobs; 0: nobody dies
  uint64_t one_jump_in = 0;  ///< jobs; a jump of time makes requests time out that are on their way
};

constexpr uint64_t workers_per_stage = 2;
/// More than any of the runs below takes; a hanging one needs for ever.
constexpr uint64_t jobs_max = 400'000;
constexpr auto virtual_time_max = 2h;

/// One life of a stage worker: dies and restarts as a whole, as under its supervisor.
struct stage_life {
  worker_id id;
  stage_id stage{0};
  stage::compute_actor compute;
  wire::averager_actor averager;
  wire::stage_worker_actor worker;
  tensors::stage_engine* engine = nullptr;
};

struct trainer_life {
  worker_id id;
  training::trainer_actor actor;
};

/// Coordinator, trainers and stage workers as in production, with the toy engine, under a seed that
/// picks every next job and every victim.
class random_run {
 public:
  random_run(uint64_t seed, const setting& s) : world_(seed), setting_(s) {
    directory_ = world_.own(peer::spawn_directory(world_.system()));
    watcher_ = world_.own(spawn_watcher());
    caf::anon_send(directory_, wire::subscribe_atom::value, watcher_);
    world_.run();
    training::coordinator_options options;
    options.id = testing::life(1'000);
    options.stages = s.stages;
    options.microbatches = s.microbatches;
    options.directory = directory_;
    options.telemetry = watcher_;
    coordinator_ = world_.own(training::spawn_coordinator(world_.system(), options));
    for (int32_t stage = 0; stage < s.stages; ++stage)
      for (uint64_t w = 0; w < workers_per_stage; ++w)
        start_worker(stage_id{stage}, testing::life(lives_.size() + 1));
    for (uint64_t t = 0; t < s.trainers; ++t)
      start_trainer(testing::life(100 + t));
    world_.run();
  }

  ~random_run() {
    // The workers' requests to their compute actors end with these.
    for (auto& [peer, life] : lives_)
      stop(life, caf::exit_reason::user_shutdown);
    world_.run();
  }

  /// True: the target was reached within the bounds.
  bool finish() {
    auto done = std::make_shared<std::optional<int64_t>>();
    world_.own(world_.system().spawn([=, c = coordinator_,
                                      to = setting_.steps](caf::event_based_actor* self) {
      self->request(c, caf::infinite, training::advance_atom::value, to).then([=](int64_t version) {
        *done = version;
      });
    }));
    for (uint64_t job = 0; job < jobs_max && !*done; ++job) {
      if (world_.elapsed() > virtual_time_max || !world_.step()) return false;
      if (setting_.one_kill_in != 0 && world_.below(setting_.one_kill_in) == 0) kill_somebody();
      if (setting_.one_jump_in != 0 && world_.below(setting_.one_jump_in) == 0)
        world_.jump(std::chrono::milliseconds(world_.below(100'000)));
      if (world_.below(20) == 0) restart_the_dead();
    }
    restart_the_dead();
    // Whoever missed the last commit fetches.
    world_.pass(5s);
    for (int i = 0; i < 10 && !weights_are_right(); ++i)
      world_.pass(10s);
    return *done && **done == setting_.steps;
  }

  /// Every stage worker's weights are, bit for bit, those of a run without actors.
  bool weights_are_right() {
    const auto expected =
        testing::toy_reference(setting_.stages, setting_.microbatches, setting_.steps);
    for (const auto& [peer, life] : lives_) {
      const auto state = life.engine->export_state();
      const auto& right = expected[static_cast<size_t>(life.stage.value())];
      if (std::memcmp(state.data(), right.data(), right.bytes()) != 0) return false;
    }
    return true;
  }

  size_t killed() const { return killed_; }
  const std::map<std::string, int>& events() const { return *events_; }

 private:
  struct sighting {
    int64_t step = 0;  ///< committed when it last announced itself
    bool serving = false;
  };

  caf::actor spawn_watcher() {
    return world_.system().spawn([this](caf::event_based_actor*) -> caf::behavior {
      return {[this](const telemetry::event& e) {
                ++(*events_)[e.name];
                if (e.name == "step") ++committed_;
              },
              [this](const wire::roster_update& update) {
                for (const auto& id : update.gone)
                  seen_.erase(id);
                for (const auto& m : update.changed)
                  seen_[m.id] = {committed_, m.state == wire::member_state::serving};
              }};
    });
  }

  void start_worker(stage_id at, worker_id id) {
    stage_life& life = lives_[id.peer.value()];
    life.id = id;
    life.stage = at;
    stage::compute_options compute;
    compute.detached = false;
    compute.activation_cache_bytes = setting_.activation_cache_bytes;
    compute.make_engine = [&life, id, at, s = setting_] {
      auto engine =
          testing::make_toy_engine(at.value() == 0, at.value() == s.stages - 1, s.microbatches);
      // A life that is killed before it began may begin after its successor.
      if (life.id == id) life.engine = engine.get();
      return engine;
    };
    life.compute = stage::spawn_compute(world_.system(), compute);
    averaging::averager_options averager;
    averager.id = id;
    averager.stage = at;
    averager.directory = directory_;
    life.averager = averaging::spawn_averager(world_.system(), averager);
    stage::stage_worker_options worker;
    worker.id = id;
    worker.stage = at;
    worker.start =
        id.incarnation.value() == 1 ? stage::start_mode::fresh : stage::start_mode::fetch;
    worker.compute = life.compute;
    worker.averager = life.averager;
    worker.directory = directory_;
    worker.telemetry = watcher_;
    life.worker = stage::spawn_stage_worker(world_.system(), worker);
  }

  void start_trainer(worker_id id) {
    training::trainer_options options;
    options.id = id;
    options.stages = setting_.stages;
    options.source = testing::toy_microbatch;
    options.routing_seed = world_.below(1'000);
    options.saved_bytes_max = setting_.saved_bytes_max;
    options.directory = directory_;
    trainers_[id.peer.value()] = {id,
                                  world_.own(training::spawn_trainer(world_.system(), options))};
  }

  static void stop(stage_life& life, caf::exit_reason why) {
    if (!life.worker) return;
    caf::anon_send_exit(life.worker, why);
    caf::anon_send_exit(life.averager, why);
    caf::anon_send_exit(life.compute, why);
    life.worker = wire::stage_worker_actor{};
    life.averager = wire::averager_actor{};
    life.compute = stage::compute_actor{};
  }

  /// Served for two whole commits, so that it surely takes part in this one.
  bool settled(const stage_life& life) const {
    const auto found = seen_.find(life.id);
    if (!life.worker || found == seen_.end() || !found->second.serving) return false;
    return found->second.step == 0 || committed_ - found->second.step >= 2;
  }

  /// A stage whose last worker with the newest weights dies is lost; that is for custodians.
  bool expendable(const stage_life& victim) const {
    if (!victim.worker) return false;
    for (const auto& [peer, life] : lives_)
      if (peer != victim.id.peer.value() && life.stage == victim.stage && settled(life))
        return true;
    return false;
  }

  void kill_somebody() {
    world_.drain(watcher_);
    const auto index = world_.below(lives_.size() + trainers_.size());
    if (index < lives_.size()) {
      auto& victim = std::next(lives_.begin(), static_cast<std::ptrdiff_t>(index))->second;
      if (!expendable(victim)) return;
      stop(victim, caf::exit_reason::kill);
    } else {
      auto& victim =
          std::next(trainers_.begin(), static_cast<std::ptrdiff_t>(index - lives_.size()))->second;
      caf::anon_send_exit(victim.actor, caf::exit_reason::kill);
      start_trainer({victim.id.peer, victim.id.incarnation.next()});
    }
    ++killed_;
  }

  void restart_the_dead() {
    for (auto& [peer, life] : lives_)
      if (!life.worker) start_worker(life.stage, {life.id.peer, life.id.incarnation.next()});
  }

  testing::virtual_world world_;
  setting setting_;
  wire::directory_actor directory_;
  caf::actor watcher_;
  training::coordinator_actor coordinator_;
  std::map<uint64_t, stage_life> lives_;
  std::map<uint64_t, trainer_life> trainers_;
  std::shared_ptr<std::map<std::string, int>> events_ =
      std::make_shared<std::map<std::string, int>>();
  int64_t committed_ = 0;
  std::map<worker_id, sighting> seen_;
  size_t killed_ = 0;
};

/// Runs `seeds` seeds from `first`; returns the events of all of them.
std::map<std::string, int> check(uint64_t first, uint64_t seeds, const setting& s) {
  std::map<std::string, int> events;
  size_t killed = 0;
  for (uint64_t seed = first; seed < first + seeds; ++seed) {
    random_run run{seed, s};
    BOOST_TEST(run.finish(), "seed " << seed << " hangs");
    BOOST_TEST(run.weights_are_right(), "seed " << seed << " has other weights");
    killed += run.killed();
    for (const auto& [name, count] : run.events())
      events[name] += count;
  }
  events["killed"] = static_cast<int>(killed);
  for (const auto& [name, count] : events)
    BOOST_TEST_MESSAGE(name << ' ' << count);
  return events;
}

}  // namespace

BOOST_AUTO_TEST_CASE(any_order_of_events_trains_the_same_weights) {
  setting s;
  s.stages = 3;
  s.trainers = 2;
  check(0, 60, s);
}

BOOST_AUTO_TEST_CASE(workers_and_trainers_that_die_anywhere_cost_no_gradient) {
  setting s;
  s.one_kill_in = 150;
  s.steps = 12;
  for (int32_t stages : {1, 2, 3}) {
    for (uint64_t trainers : {1U, 2U}) {
      s.stages = stages;
      s.trainers = trainers;
      const auto events = check(static_cast<uint64_t>(stages) * 1'000 + trainers * 100, 60, s);
      BOOST_TEST(events.at("killed") > 200);
      BOOST_TEST(events.count("rework") == 1U);
    }
  }
}

BOOST_AUTO_TEST_CASE(requests_that_time_out_on_their_way_cost_no_gradient) {
  setting s;
  s.stages = 2;
  s.trainers = 2;
  s.one_jump_in = 60;
  check(5'000, 200, s);
}

BOOST_AUTO_TEST_CASE(without_memory_everything_is_computed_again) {
  setting s;
  s.stages = 3;
  s.one_kill_in = 150;
  s.activation_cache_bytes = 0;
  s.saved_bytes_max = 0;
  check(9'000, 100, s);
}
