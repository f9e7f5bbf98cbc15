// More trainers than a slow stage can serve in time: what its devices do stays what is asked for.

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <map>
#include <memory>
#include <vector>

#include "actors/faults/link.hpp"
#include "actors/peer/directory.hpp"
#include "actors/stage/compute.hpp"
#include "actors/stage/stage_worker.hpp"
#include "actors/training/trainer.hpp"
#include "actors/wire/ticket.hpp"
#include "tests/actors/toy_engine.hpp"
#include "tests/actors/training/virtual_world.hpp"

namespace {

using namespace swarm;
using namespace std::chrono_literals;
using faults::fate;
using schemas::LeaseDone;
using testing::life;

/// A device that takes so long for each loss, one after the other.
class slow_device final : public faults::link_policy {
 public:
  slow_device(testing::virtual_world& world, std::chrono::milliseconds takes)
      : world_(world), takes_(takes) {}

  fate decide(const faults::passage& message) override {
    if (message.way == faults::direction::back ||
        !message.content.match_elements<wire::loss, int>())
      return fate::deliver();
    ++computed;
    until_ = std::max(until_, world_.elapsed()) + takes_;
    return fate::deliver(until_ - world_.elapsed());
  }

  int computed = 0;

 private:
  testing::virtual_world& world_;
  std::chrono::milliseconds takes_;
  std::chrono::milliseconds until_{0};
};

/// One stage, its workers, and trainers that always have leases.
class fixture {
 public:
  fixture(size_t workers, std::chrono::milliseconds takes, uint64_t trainers, uint32_t in_flight) {
    directory_ = world.own(peer::spawn_directory(world.system()));
    for (uint64_t peer = 1; peer <= workers; ++peer)
      add_worker(peer, takes);
    coordinator_ = world.own(world.system().spawn([this]() -> caf::behavior {
      return {[this](const wire::lease_done& m) {
        const auto done = m.read();
        const auto of = owner_.find(done->getItem());
        if (done->getOutcome() == LeaseDone::Outcome::DONE && of != owner_.end()) {
          ++finished;
          const auto trainer = of->second;
          owner_.erase(of);
          lease(trainer, next_++);
        } else if (done->getOutcome() == LeaseDone::Outcome::RETURNED && of != owner_.end()) {
          lease(of->second, done->getItem());
        }
      }};
    }));
    for (uint64_t peer = 100; peer < 100 + trainers; ++peer) {
      training::trainer_options options;
      options.id = life(peer);
      options.source = testing::toy_microbatch;
      options.in_flight = in_flight;
      options.routing_seed = peer;
      options.call_timeout = 10s;
      options.directory = directory_;
      trainers_[peer] = world.own(training::spawn_trainer(world.system(), options));
      world.run();
      for (uint32_t i = 0; i < 2 * in_flight; ++i)
        lease(peer, next_++);
    }
  }

  int computed() const {
    int sum = 0;
    for (const auto& d : devices_)
      sum += d->computed;
    return sum;
  }

  testing::virtual_world world;
  int finished = 0;

 private:
  void add_worker(uint64_t peer, std::chrono::milliseconds takes) {
    devices_.push_back(std::make_shared<slow_device>(world, takes));
    stage::compute_options compute;
    compute.detached = false;
    compute.make_engine = [] { return testing::make_toy_engine(true, true, 1); };
    const auto device = world.own(stage::spawn_compute(world.system(), compute));
    stage::stage_worker_options options;
    options.id = life(peer);
    options.start = stage::start_mode::fresh;
    options.compute = faults::link_to(world.system(), device, devices_.back());
    options.directory = directory_;
    world.own(stage::spawn_stage_worker(world.system(), options));
    world.run();
  }

  void lease(uint64_t trainer, uint32_t item) {
    owner_[item] = trainer;
    wire::builder<schemas::Lease> message;
    wire::set_step_round(*message, {term_id{1}, step_id{0}, round_id{1}});
    auto list = message->initItems(1);
    list[0].setItem(item);
    list[0].setMicrobatch(item);
    list[0].setStages(1);
    list[0].setWeight(1);
    caf::send_as(coordinator_, caf::actor_cast<caf::actor>(trainers_.at(trainer)),
                 message.finish());
  }

  wire::directory_actor directory_;
  caf::actor coordinator_;
  std::vector<std::shared_ptr<slow_device>> devices_;
  std::map<uint64_t, training::trainer_actor> trainers_;
  std::map<uint32_t, uint64_t> owner_;  ///< of an item
  uint32_t next_ = 0;
};

}  // namespace

BOOST_AUTO_TEST_CASE(an_overloaded_stage_does_each_microbatch_about_once) {
  // 64 calls are out to two devices of one a second: an answer takes 32 s, and nobody has waited
  // for more than 10 s so far.
  fixture f{2, 1s, 8, 8};
  f.world.pass(10min);
  const double capacity = 2 * 600;
  BOOST_TEST(f.finished > 0.8 * capacity);
  BOOST_TEST(f.computed() < 1.15 * f.finished + 64);
}

BOOST_AUTO_TEST_CASE(a_stage_that_is_fast_enough_does_each_microbatch_once) {
  fixture f{2, 100ms, 2, 4};
  f.world.pass(1min);
  BOOST_TEST(f.finished > 0.95 * 2 * 600);
  BOOST_TEST(f.computed() <= f.finished + 8);
}
