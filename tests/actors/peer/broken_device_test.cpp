// A peer whose device fails at everything, or never answers, begins anew with another engine.

#include <boost/test/unit_test.hpp>
#include <caf/send.hpp>
#include <memory>

#include "actors/faults/link.hpp"
#include "actors/peer/directory.hpp"
#include "actors/peer/stage_peer.hpp"
#include "actors/stage/errc.hpp"
#include "actors/wire/tensor.hpp"
#include "actors/wire/ticket.hpp"
#include "tests/actors/toy_engine.hpp"
#include "tests/actors/training/virtual_world.hpp"

namespace {

using namespace swarm;
using namespace std::chrono_literals;
using faults::fate;
using testing::life;

enum class mood { good, failing, silent };

/// Fails at what trainers ask for.
class broken_device final : public faults::link_policy {
 public:
  explicit broken_device(mood what) : what_(what) {}

  fate decide(const faults::passage& message) override {
    const bool call = message.way == faults::direction::forward &&
                      message.content.match_elements<wire::forward>();
    if (!call || what_ == mood::good) return fate::deliver();
    if (what_ == mood::silent) return fate::lose();
    return fate::fail(stage::make_error(stage::errc::compute_failed));
  }

 private:
  mood what_;
};

wire::forward some_forward() {
  wire::builder<schemas::Forward> message;
  wire::to_wire(wire::ticket{term_id{1}, step_id{0}, microbatch_id{0}, round_id{1}},
                message->initTicket());
  wire::attach(message, message->initInput(), testing::toy_microbatch(0, 0).first);
  return message.finish();
}

/// The only peer of its stage, which keeps what it needs to begin anew.
class fixture {
 public:
  explicit fixture(mood first = mood::good) : now(first) {
    directory_ = world.own(peer::spawn_directory(world.system()));
    roster_.follow(world, directory_);
    peer::stage_peer_options options;
    options.id = peer_id{1};
    options.start = stage::start_mode::fresh;
    options.make_engine = [this](stage_id) {
      ++engines;
      return testing::make_toy_engine(true, false, 1);
    };
    options.wrap_compute = [this](caf::actor_system& system, const stage::compute_actor& compute) {
      return faults::link_to(system, compute, std::make_shared<broken_device>(now));
    };
    options.make_store = [this](stage_id) { return store_; };
    options.detached = false;
    options.directory = directory_;
    root_ = world.own(peer::spawn_stage_peer(world.system(), options));
    world.pass(100ms);
  }

  // The roster holds those who must end.
  ~fixture() {
    caf::anon_send_exit(root_, caf::exit_reason::user_shutdown);
    root_ = nullptr;
    world.pass(1s);
    roster_.members.clear();
  }

  fixture(const fixture&) = delete;
  fixture& operator=(const fixture&) = delete;

  auto forward() {
    const auto worker = caf::actor_cast<wire::stage_worker_actor>(roster_.worker(1)->handle);
    return testing::ask<wire::activation>(world, worker, some_forward());
  }

  bool serves() const {
    const auto worker = roster_.worker(1);
    return worker && worker->state == wire::member_state::serving;
  }

  worker_id worker() const { return roster_.worker(1)->id; }

  testing::virtual_world world;
  int engines = 0;
  mood now;  ///< of the next device

 private:
  wire::directory_actor directory_;
  testing::roster_watch roster_;
  std::shared_ptr<stage::memory_state_store> store_ = std::make_shared<stage::memory_state_store>();
  caf::actor root_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_good_device_is_left_alone) {
  fixture f;
  BOOST_REQUIRE(f.serves());
  for (int i = 0; i < 10; ++i)
    BOOST_TEST(f.forward()->value.has_value());
  f.world.pass(5min);
  BOOST_TEST(f.engines == 1);
}

BOOST_AUTO_TEST_CASE(a_device_that_fails_at_everything_is_replaced) {
  for (const auto what : {mood::failing, mood::silent}) {
    fixture f{what};
    BOOST_REQUIRE(f.serves());
    f.now = mood::good;
    for (uint32_t i = 0; i < stage::call_history::options{}.failures_max; ++i)
      f.forward();
    // A device that has never answered has long.
    f.world.pass(11min);
    BOOST_TEST(f.engines == 2);
    BOOST_TEST((f.worker() == life(1, 2)));
    BOOST_REQUIRE(f.serves());
    BOOST_TEST(f.forward()->value.has_value());
    f.world.pass(1min);
    BOOST_TEST(f.engines == 2);
  }
}
