#include "actors/stage/compute_watch.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <optional>
#include <string>

#include "actors/faults/link.hpp"
#include "actors/stage/errc.hpp"
#include "actors/telemetry/event.hpp"
#include "actors/wire/tensor.hpp"
#include "actors/wire/ticket.hpp"
#include "tests/actors/toy_engine.hpp"
#include "tests/actors/training/virtual_world.hpp"

namespace {

using namespace swarm;
using namespace std::chrono_literals;
using faults::fate;

/// What happens to the next calls.
class device_policy final : public faults::link_policy {
 public:
  fate decide(const faults::passage& message) override {
    if (message.way == faults::direction::back || !message.is_request) return fate::deliver();
    if (loses) return fate::lose();
    if (fails) return fate::fail(stage::make_error(stage::errc::compute_failed));
    return fate::deliver(takes);
  }

  bool loses = false;
  bool fails = false;
  std::chrono::nanoseconds takes{0};
};

wire::forward some_forward() {
  wire::builder<schemas::Forward> message;
  wire::to_wire(wire::ticket{term_id{1}, step_id{0}, microbatch_id{0}, round_id{1}},
                message->initTicket());
  wire::attach(message, message->initInput(), testing::toy_microbatch(0, 0).first);
  return message.finish();
}

stage::compute_watch_options toy_options() {
  stage::compute_watch_options options;
  options.compute.detached = false;
  options.compute.make_engine = [] { return testing::make_toy_engine(true, false, 1); };
  options.id = testing::life(7);
  return options;
}

/// A watched device under virtual time.
class rig {
 public:
  rig() {
    auto options = toy_options();
    options.wrap = [this](caf::actor_system& system, const stage::compute_actor& compute) {
      inner = caf::actor_cast<caf::actor_addr>(compute);
      return faults::link_to(system, compute, device);
    };
    options.telemetry = world.own(world.system().spawn([this]() -> caf::behavior {
      return {[this](const telemetry::event& e) {
        if (e.name == "compute_given_up")
          given_up = std::get<std::string>(*telemetry::find(e, "why"));
      }};
    }));
    watch = world.own(stage::spawn_watched_compute(world.system(), options));
    witness_ =
        world.own(world.system().spawn([this](caf::event_based_actor* self) -> caf::behavior {
          self->monitor(watch);
          self->set_down_handler([this](caf::down_msg& down) { ended = down.reason; });
          return {[](int) {}};
        }));
    world.run();
  }

  auto forward() { return testing::ask<wire::activation>(world, watch, some_forward()); }

  /// In steps at which nothing is left unlooked at.
  void pass(std::chrono::seconds time) {
    for (; time > 0s; time -= 1s) {
      world.jump(1s);
      world.run();
    }
  }

  std::shared_ptr<device_policy> device = std::make_shared<device_policy>();
  testing::virtual_world world;
  std::optional<caf::error> ended;
  std::string given_up;
  caf::actor_addr inner;
  stage::compute_actor watch;

 private:
  caf::actor witness_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(calls_and_answers_pass) {
  rig r;
  BOOST_TEST(r.forward()->value.has_value());
  r.device->takes = 20s;
  const auto slow = r.forward();
  r.pass(21s);
  BOOST_TEST(slow->value.has_value());
  BOOST_TEST(!r.ended);
}

BOOST_AUTO_TEST_CASE(a_device_that_answers_internal_to_everything_is_given_up) {
  rig r;
  r.device->fails = true;
  for (uint32_t i = 1; i < stage::call_history::options{}.failures_max; ++i)
    BOOST_TEST(r.forward()->failed);
  BOOST_TEST(!r.ended);
  BOOST_TEST(r.forward()->failed);
  BOOST_REQUIRE(r.ended);
  BOOST_TEST((*r.ended != caf::exit_reason::user_shutdown));
  BOOST_TEST(r.given_up == "failing");
  // Its engine is gone: another may take its memory.
  BOOST_TEST(!caf::actor_cast<caf::strong_actor_ptr>(r.inner));
}

BOOST_AUTO_TEST_CASE(a_device_that_never_answers_is_given_up_by_its_own_history) {
  rig r;
  r.device->takes = 10s;
  for (int i = 0; i < 5; ++i) {
    const auto answer = r.forward();
    r.pass(11s);
    BOOST_TEST(answer->value.has_value());
  }
  r.device->loses = true;
  r.forward();
  r.pass(190s);
  BOOST_TEST(!r.ended);
  r.pass(40s);
  BOOST_REQUIRE(r.ended);
  BOOST_TEST((*r.ended != caf::exit_reason::user_shutdown));
  BOOST_TEST(r.given_up == "hung");
}

BOOST_AUTO_TEST_CASE(whoever_stops_it_waits_until_the_engine_is_gone) {
  rig r;
  caf::anon_send_exit(r.watch, caf::exit_reason::user_shutdown);
  r.world.run();
  BOOST_REQUIRE(r.ended);
  BOOST_TEST((*r.ended == caf::exit_reason::user_shutdown));
  BOOST_TEST(!caf::actor_cast<caf::strong_actor_ptr>(r.inner));
  BOOST_TEST(r.given_up.empty());
}

BOOST_AUTO_TEST_CASE(a_thread_that_hangs_is_left_behind_without_its_slot) {
  // No slot is free, so the thread waits for as long as the test wants.
  const auto stuck = std::make_shared<stage::device_slots>(0);
  caf::actor_system_config config;
  wire::add_message_types(config);
  caf::actor_system system{config};
  auto options = toy_options();
  options.compute.detached = true;
  options.compute.claim = std::make_shared<stage::device_claim>(stuck);
  options.limits.shortest_s = 0.03;
  options.limits.first_s = 0.1;
  auto watch = stage::spawn_watched_compute(system, options);
  {
    caf::scoped_actor self{system};
    self->monitor(watch);
    self->send(watch, some_forward());
    self->receive([](const caf::down_msg&) {},
                  caf::after(30s) >> [] { BOOST_FAIL("it goes on waiting"); });
  }
  watch = nullptr;
  stuck->release();
}

BOOST_AUTO_TEST_CASE(a_claim_that_was_forfeited_holds_nothing_and_gives_nothing_back) {
  const auto slots = std::make_shared<stage::device_slots>(1);
  stage::device_claim hung{slots};
  hung.acquire();
  hung.forfeit();
  stage::device_claim next{slots};
  next.acquire();
  // The thread returns after all.
  hung.release();
  hung.acquire();
  hung.release();
  next.release();
  // Had it given back a slot that was not its own, there would be two now.
  next.acquire();
  BOOST_TEST(!slots->try_acquire());
  next.release();
  BOOST_TEST(slots->try_acquire());
}
