#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "actors/peer/embedded_swarm.hpp"
#include "actors/simulation/host.hpp"
#include "tests/actors/toy_engine.hpp"

namespace {

using namespace swarm;
using namespace swarm::simulation;
using namespace std::chrono_literals;

constexpr int32_t stages = 2;
constexpr uint64_t workers_per_stage = 2;
constexpr int64_t microbatches = 6;

/// Two stages of two workers, one training peer; each on a host of its own, with the toy engine.
class small_swarm {
 public:
  small_swarm(uint64_t seed, const path_conditions& conditions, int64_t steps = 8)
      : steps_(steps),
        world_(seed, peer::add_message_types),
        net_(world_, seed),
        links_(world_, net_) {
    net_.model().set_default(conditions);
    workers_.resize(stages * workers_per_stage);
    for (size_t i = 0; i < workers_.size(); ++i) {
      auto& w = workers_[i];
      w.device = std::make_shared<device>(world_, compute_cost{}, seed + i);
      w.stage = stage_id{static_cast<int32_t>(i / workers_per_stage)};
      w.where = std::make_unique<host>(world_, net_, links_, stage_peer(i), w.device);
      w.where->start();
    }
    trainer_ = std::make_unique<host>(world_, net_, links_, training_peer());
    trainer_->start();
  }

  world& where() { return world_; }
  virtual_network& net() { return net_; }
  host& worker(size_t index) { return *workers_[index].where; }

  void kill_worker(size_t index) {
    workers_[index].engine = nullptr;
    worker(index).kill();
  }

  bool finish() {
    run_limit limit;
    limit.time = 2h;
    return world_.run_while([&] { return !everybody_is_right(); }, limit);
  }

  /// Every worker's weights are, bit for bit, those of a run without actors.
  bool everybody_is_right() {
    for (const auto& w : workers_) {
      if (w.engine == nullptr) return false;
      const auto state = w.engine->export_state();
      const auto& right = expected_[static_cast<size_t>(w.stage.value())];
      if (std::memcmp(state.data(), right.data(), right.bytes()) != 0) return false;
    }
    return true;
  }

 private:
  struct worker_site {
    stage_id stage{0};
    std::shared_ptr<simulation::device> device;
    std::unique_ptr<host> where;
    tensors::stage_engine* engine = nullptr;
  };

  peer_factory stage_peer(size_t index) {
    return [this, index](world& w, const wire::directory_actor& directory, bool) {
      auto& site = workers_[index];
      peer::stage_peer_options options;
      options.id = peer_id{index + 1};
      options.first_incarnation = incarnation_id{1 + 100 * site.where->lives()};
      options.stage = site.stage;
      options.start =
          site.where->lives() == 1 ? stage::start_mode::fresh : stage::start_mode::fetch;
      options.detached = false;
      options.directory = directory;
      options.make_engine = [&site](stage_id at) {
        auto engine =
            testing::make_toy_engine(at.value() == 0, at.value() == stages - 1, microbatches);
        site.engine = engine.get();
        return engine;
      };
      options.wrap_compute = [&site](caf::actor_system&, const stage::compute_actor& compute) {
        return site.device->in_front_of(compute);
      };
      return peer::spawn_stage_peer(w.system(), std::move(options));
    };
  }

  peer_factory training_peer() {
    return [this](world& w, const wire::directory_actor& directory, bool) {
      peer::training_peer_options options;
      options.id = peer_id{100};
      options.directory = directory;
      options.trainer.stages = stages;
      options.trainer.source = testing::toy_microbatch;
      options.trainer.call_timeout = 2s;
      options.evaluator.stages = stages;
      training::coordinator_options coordinator;
      coordinator.stages = stages;
      coordinator.microbatches = microbatches;
      coordinator.target = step_id{steps_};
      coordinator.gather_timeout = 4s;
      coordinator.reduce_timeout = 6s;
      coordinator.lease_timeout = 10s;
      options.coordinator = coordinator;
      return peer::spawn_training_peer(w.system(), std::move(options));
    };
  }

  int64_t steps_;
  world world_;
  virtual_network net_;
  bridges links_;
  std::vector<worker_site> workers_;
  std::unique_ptr<host> trainer_;
  std::vector<tensors::host_tensor> expected_ =
      testing::toy_reference(stages, microbatches, steps_);
};

path_conditions broadband() {
  path_conditions p;
  p.latency = 20ms;
  p.jitter = 10ms;
  p.tail = 0.01;
  return p;
}

}  // namespace

BOOST_AUTO_TEST_CASE(hosts_train_the_reference_over_a_network) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    small_swarm s{seed, broadband()};
    BOOST_TEST(s.finish(), "seed " << seed);
    BOOST_TEST((s.where().now() < 60s));
  }
}

BOOST_AUTO_TEST_CASE(hosts_train_the_reference_over_a_bad_network) {
  auto bad = broadband();
  bad.loss = bad.duplication = bad.reordering = 0.01;
  bad.reorder_window = 100ms;
  bad.corruption = bad.truncation = 0.002;
  uint64_t lost = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    small_swarm s{seed, bad};
    BOOST_TEST(s.finish(), "seed " << seed);
    lost += s.net().model().count(network_fault::lost);
  }
  BOOST_TEST(lost > 20U);
}

BOOST_AUTO_TEST_CASE(hosts_that_die_and_freeze_cost_no_gradient) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    small_swarm s{seed, broadband(), 60};
    s.where().run_until(2s);
    s.kill_worker(0);
    s.where().run_for(200ms);
    // Longer than anybody waits for it.
    s.worker(2).freeze();
    s.where().run_for(3s);
    s.worker(0).start();
    s.where().run_for(20s);
    s.worker(2).thaw();
    s.where().run_for(2s);
    BOOST_TEST(!s.everybody_is_right());
    BOOST_TEST(s.finish(), "seed " << seed);
  }
}

BOOST_AUTO_TEST_CASE(equal_seeds_of_a_whole_swarm_give_equal_hashes) {
  const auto run = [](uint64_t seed) {
    auto bad = broadband();
    bad.loss = bad.duplication = bad.reordering = 0.01;
    small_swarm s{seed, bad};
    s.where().run_until(2s);
    s.kill_worker(1);
    s.where().run_until(10s);
    s.worker(1).start();
    s.where().run_until(1min);
    return s.where().hash();
  };
  const auto third = run(3);
  BOOST_TEST_MESSAGE("hash " << third);
  BOOST_TEST(run(3) == third);
  BOOST_TEST(run(4) != third);
}
