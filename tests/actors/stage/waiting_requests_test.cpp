// Requests that wait for the device: whose turn comes, and whose does not.

#include <boost/test/unit_test.hpp>
#include <caf/send.hpp>
#include <chrono>
#include <memory>
#include <vector>

#include "actors/stage/request_queue.hpp"
#include "actors/stage/step_guard.hpp"
#include "tests/actors/stage/worker_rig.hpp"

namespace {

using namespace swarm;
using namespace swarm::testing;
using namespace std::chrono_literals;
using stage::refusal_reason;
using loss_slot = std::shared_ptr<outcome<wire::loss_done>>;

constexpr size_t at_device = stage::request_queue<int, int>::at_device_max;

wire::loss patient_loss(int64_t index, uint32_t patience_ms) {
  const auto [input, targets] = toy_microbatch(0, index);
  wire::builder<schemas::Loss> message;
  auto ticket = ticket_of({}, index);
  ticket.patience_ms = patience_ms;
  wire::to_wire(ticket, message->initTicket());
  wire::attach(message, message->initInput(), input);
  wire::attach(message, message->initTargets(), targets);
  message->setWeight(1);
  return message.finish();
}

wire::cancel cancel_of(int64_t index) {
  wire::builder<schemas::Cancel> message;
  wire::to_wire(ticket_of({}, index), message->initTicket());
  return message.finish();
}

/// A worker whose device does not come to its turn before `run`, and requests for it.
class fixture {
 public:
  fixture() : it(rig.spawn(1, stage::start_mode::fresh, rig.whole_model())) { rig.run(); }

  void ask(int64_t count, uint32_t patience_ms) {
    for (int64_t i = 0; i < count; ++i)
      answers.push_back(rig.ask<wire::loss_done>(
          it.worker, patient_loss(static_cast<int64_t>(answers.size()), patience_ms)));
    rig.run_without(it.compute);
  }

  /// The microbatches in the sum, one bit each.
  unsigned held() {
    const auto reply = rig.call<wire::holding>(it, gather_of({}));
    BOOST_REQUIRE(reply.value);
    const auto bytes = reply.value->read()->getHeld();
    return bytes.size() == 0 ? 0 : bytes[0];
  }

  worker_rig rig;
  crew it;
  std::vector<loss_slot> answers;
};

}  // namespace

BOOST_AUTO_TEST_CASE(what_nobody_waits_for_any_more_never_reaches_the_device) {
  fixture f;
  f.ask(4, 5'000);
  f.ask(1, 0);
  f.rig.scheduler().advance_time(6s);
  f.rig.run();
  for (size_t i = 0; i < 4; ++i)
    BOOST_TEST(f.answers[i]->value.has_value() == (i < at_device));
  CHECK_REFUSED(*f.answers[3], refusal_reason::overloaded);
  // It says nothing of its patience.
  BOOST_TEST(f.answers[4]->value.has_value());
  BOOST_TEST(f.held() == 0b10011U);
}

BOOST_AUTO_TEST_CASE(in_time_everything_is_served) {
  fixture f;
  f.ask(6, 5'000);
  f.rig.scheduler().advance_time(4s);
  f.rig.run();
  for (const auto& a : f.answers)
    BOOST_TEST(a->value.has_value());
  BOOST_TEST(f.held() == 0b111111U);
}

BOOST_AUTO_TEST_CASE(what_is_taken_back_before_its_turn_is_refused) {
  fixture f;
  f.ask(4, 0);
  for (const int64_t index : {0, 2, 7})
    caf::anon_send(f.it.worker, cancel_of(index));
  f.rig.run_without(f.it.compute);
  CHECK_REFUSED(*f.answers[2], refusal_reason::overloaded);
  // That one was at the device.
  BOOST_TEST(!f.answers[0]->answered());
  f.rig.run();
  BOOST_TEST(f.answers[0]->value.has_value());
  BOOST_TEST(f.held() == 0b1011U);
}

BOOST_AUTO_TEST_CASE(a_gather_waits_for_the_device_and_not_for_those_behind_it) {
  fixture f;
  f.ask(4, 0);
  const auto held = f.rig.ask<wire::holding>(f.it.worker, gather_of({}));
  f.rig.run_without(f.it.compute);
  BOOST_TEST(!held->answered());
  f.rig.run();
  BOOST_REQUIRE(held->value);
  BOOST_TEST(held->value->read()->getHeld()[0] == 0b0011U);
  for (size_t i = at_device; i < 4; ++i)
    CHECK_REFUSED(*f.answers[i], refusal_reason::frozen);
  BOOST_TEST(f.held() == 0b0011U);
}
