#include "actors/stage/compute.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/send.hpp>
#include <optional>

#include "actors/wire/refusal.hpp"
#include "actors/wire/tensor.hpp"
#include "actors/wire/ticket.hpp"
#include "tests/actors/toy_engine.hpp"

namespace {

using namespace swarm;
using tensors::host_tensor;

const wire::ticket some_ticket{term_id{5}, step_id{3}, microbatch_id{2}, round_id{1}};

template <class Schema>
wire::builder<Schema> ticketed() {
  wire::builder<Schema> message;
  wire::to_wire(some_ticket, message->initTicket());
  return message;
}

/// One compute actor and its answers.
class rig {
 public:
  explicit rig(bool allow_virtual) {
    stage::compute_options options;
    options.detached = false;
    options.allow_virtual = allow_virtual;
    options.make_engine = [] { return testing::make_toy_engine(true, true, 4); };
    compute_ = stage::spawn_compute(system_, options);
  }
  ~rig() {
    caf::anon_send_exit(compute_, caf::exit_reason::kill);
    scheduler().run();
  }

  /// The error it answers; none when it answers anything else.
  template <class Reply, class... Args>
  caf::error error_of(const Args&... args) {
    caf::error result;
    system_.spawn([&](caf::event_based_actor* self) {
      self->request(compute_, caf::infinite, args...)
          .then([](const Reply&) {}, [&](caf::error& error) { result = std::move(error); });
    });
    scheduler().run();
    return result;
  }

 private:
  caf::scheduler::test_coordinator& scheduler() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(system_.scheduler());
  }

  struct config : caf::actor_system_config {
    config() { set("scheduler.policy", caf::atom("testing")); }
  };
  config config_;
  caf::actor_system system_{config_};
  stage::compute_actor compute_;
};

wire::loss with_too_few_targets() {
  auto message = ticketed<schemas::Loss>();
  wire::attach(message, message->initInput(), host_tensor::adopt(std::vector<int32_t>(4), {1, 4}));
  wire::attach(message, message->initTargets(),
               host_tensor::adopt(std::vector<int32_t>(2), {1, 2}));
  return message.finish();
}

wire::forward with_a_virtual_input() {
  auto message = ticketed<schemas::Forward>();
  wire::attach(message, message->initInput(), host_tensor::modelled(tensors::dtype::i32, {1, 0}));
  return message.finish();
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_refusal_says_where_the_request_stood) {
  rig r{false};
  const auto refusal = wire::refusal_of(r.error_of<wire::loss_done>(with_too_few_targets(), 1));
  BOOST_TEST_REQUIRE(refusal.has_value());
  const auto body = refusal->read();
  BOOST_TEST((body->getReason() == schemas::Refusal::Reason::WRONG_SHAPE));
  BOOST_TEST(body->getTerm() == some_ticket.term.value());
  BOOST_TEST(body->getVersion() == some_ticket.step.value());
}

BOOST_AUTO_TEST_CASE(virtual_tensors_are_taken_only_when_asked_for) {
  rig strict{false};
  BOOST_TEST((strict.error_of<wire::activation>(with_a_virtual_input()) ==
              make_error(wire::errc::bad_tensor)));
  rig lenient{true};
  BOOST_TEST(!lenient.error_of<wire::activation>(with_a_virtual_input()));
}
