#include "actors/peer/gateway.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/all.hpp>
#include <memory>
#include <string>
#include <vector>

#include "actors/wire/refusal.hpp"
#include "actors/wire/roster.hpp"

using namespace swarm;
using peer::gateway;
using transport::link_id;

namespace {

constexpr link_id the_link{7};
constexpr std::chrono::seconds patience{10};

/// Hands what is sent to the gateway on the other side at once.
class wire_end final : public transport::endpoint {
 public:
  gateway* far = nullptr;
  bool damages = false;

  std::string address() const override { return ""; }
  void greet_with(std::function<std::string()>) override {}
  link_id dial(const std::string&) override { return {}; }
  void send(link_id to, const transport::heading& head, wire::frame_ptr body) override {
    if (far == nullptr) return;
    if (damages && head.type != 0) return far->on_message(to, head, wire::errc::wrong_checksum);
    far->on_message(to, head, std::move(body));
  }
  void close(link_id, const std::string&) override {}
  transport::counters counted() const override { return {}; }
  transport::counters counted(link_id) const override { return {}; }
};

struct side {
  side() : system(config), doors(system), self(system) {
    doors.open(out);
    doors.on_up(the_link);
  }

  struct with_types : caf::actor_system_config {
    with_types() { wire::add_message_types(*this); }
  } config;
  caf::actor_system system;
  wire_end out;
  gateway doors;
  caf::scoped_actor self;
};

struct two_processes {
  two_processes() {
    here.out.far = &there.doors;
    there.out.far = &here.doors;
  }
  ~two_processes() {
    here.doors.close();
    there.doors.close();
  }

  /// What stands here for an actor over there, which nobody else holds.
  caf::actor reach(const caf::actor& over_there) {
    held.push_back(over_there);
    return here.doors.remote(the_link, there.doors.expose(the_link, over_there));
  }

  side here;
  side there;
  std::vector<caf::actor> held;
};

wire::gather gather_of(int64_t step) {
  wire::builder<schemas::Gather> message;
  message->setStep(step);
  return message.finish();
}

wire::holding holding_of(int64_t step) {
  wire::builder<schemas::Holding> message;
  message->setStep(step);
  return message.finish();
}

/// Answers Gather with a Holding of the next step; refuses negative steps.
caf::behavior adder(caf::event_based_actor*) {
  return {[](const wire::gather& m) -> caf::result<wire::holding> {
    if (m.fault()) return make_error(*m.fault());
    const auto step = m.read()->getStep();
    if (step < 0)
      return wire::make_refusal(schemas::Refusal::Reason::BEHIND, term_id{1}, step_id{2}, {});
    return holding_of(step + 1);
  }};
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_request_is_answered_across, two_processes) {
  const auto far = reach(there.system.spawn(adder));
  int64_t answer = 0;
  here.self->request(far, patience, gather_of(41))
      .receive([&](const wire::holding& m) { answer = m.read()->getStep(); },
               [](const caf::error& e) { BOOST_ERROR(to_string(e)); });
  BOOST_TEST(answer == 42);
  here.self->send_exit(far, caf::exit_reason::kill);
}

BOOST_FIXTURE_TEST_CASE(a_refusal_comes_back_as_one, two_processes) {
  const auto far = reach(there.system.spawn(adder));
  here.self->request(far, patience, gather_of(-1))
      .receive([](const wire::holding&) { BOOST_ERROR("answered"); },
               [](const caf::error& e) {
                 BOOST_CHECK(wire::refusal_reason(e) == schemas::Refusal::Reason::BEHIND);
               });
}

BOOST_FIXTURE_TEST_CASE(the_same_slot_is_the_same_handle, two_processes) {
  const auto target = there.system.spawn(adder);
  BOOST_CHECK(reach(target) == reach(target));
  BOOST_TEST(gateway::is_remote(reach(target)));
  BOOST_TEST(!gateway::is_remote(target));
}

BOOST_FIXTURE_TEST_CASE(the_receiver_can_write_to_the_sender, two_processes) {
  // Sends back what it gets, not as an answer.
  const auto mirror = there.system.spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[=](const wire::gather& m) {
      self->send(caf::actor_cast<caf::actor>(self->current_sender()), m);
    }};
  });
  here.self->send(reach(mirror), gather_of(5));
  here.self->receive([](const wire::gather& m) { BOOST_TEST(m.read()->getStep() == 5); },
                     caf::after(patience) >> [] { BOOST_ERROR("nothing came"); });
}

BOOST_FIXTURE_TEST_CASE(who_watches_hears_when_the_far_actor_ends, two_processes) {
  const auto target = there.system.spawn(adder);
  const auto far = reach(target);
  here.self->monitor(far);
  there.self->send_exit(target, caf::exit_reason::user_shutdown);
  here.self->receive([&](const caf::down_msg& m) { BOOST_CHECK(m.source == far.address()); },
                     caf::after(patience) >> [] { BOOST_ERROR("nothing came"); });
}

BOOST_FIXTURE_TEST_CASE(a_broken_link_ends_handles_and_fails_requests_at_once, two_processes) {
  const auto silent = there.system.spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[=](const wire::gather&) -> caf::result<wire::holding> {
      self->make_response_promise();
      return caf::delegated<wire::holding>{};
    }};
  });
  const auto far = reach(silent);
  here.self->monitor(far);
  auto request = here.self->request(far, caf::infinite, gather_of(1));
  here.doors.on_down(the_link);
  request.receive([](const wire::holding&) { BOOST_ERROR("answered"); },
                  [](const caf::error& e) {
                    BOOST_CHECK(e == caf::make_error(caf::sec::request_receiver_down));
                  });
  here.self->receive([&](const caf::down_msg& m) { BOOST_CHECK(m.source == far.address()); },
                     caf::after(patience) >> [] { BOOST_ERROR("nothing came"); });
  here.self->request(far, patience, gather_of(1))
      .receive([](const wire::holding&) { BOOST_ERROR("answered"); },
               [](const caf::error& e) {
                 BOOST_CHECK(e == caf::make_error(caf::sec::request_receiver_down));
               });
  BOOST_TEST(!here.doors.remote(the_link, 2000));
}

BOOST_FIXTURE_TEST_CASE(only_what_was_exposed_on_the_link_is_reached, two_processes) {
  const auto hidden = there.system.spawn(adder);
  const auto guess = here.doors.remote(the_link, hidden.id() + peer::first_actor_slot);
  here.self->request(guess, patience, gather_of(1))
      .receive([](const wire::holding&) { BOOST_ERROR("answered"); },
               [](const caf::error& e) {
                 BOOST_CHECK(e == caf::make_error(caf::sec::request_receiver_down));
               });
}

BOOST_FIXTURE_TEST_CASE(a_served_slot_is_reached_by_its_number, two_processes) {
  there.doors.serve(peer::status_slot, there.system.spawn(adder));
  const auto far = here.doors.remote(the_link, peer::status_slot);
  here.self->request(far, patience, gather_of(1))
      .receive([](const wire::holding& m) { BOOST_TEST(m.read()->getStep() == 2); },
               [](const caf::error& e) { BOOST_ERROR(to_string(e)); });
}

BOOST_FIXTURE_TEST_CASE(damage_on_the_way_is_the_requests_error, two_processes) {
  const auto far = reach(there.system.spawn(adder));
  here.out.damages = true;
  here.self->request(far, patience, gather_of(1))
      .receive([](const wire::holding&) { BOOST_ERROR("answered"); },
               [](const caf::error& e) { BOOST_TEST(wire::is_damage(e)); });
}

BOOST_FIXTURE_TEST_CASE(what_cannot_leave_the_process_is_refused, two_processes) {
  const auto far = reach(there.system.spawn(adder));
  here.self->request(far, patience, 17)
      .receive([] { BOOST_ERROR("answered"); },
               [](const caf::error& e) {
                 BOOST_CHECK(e == caf::make_error(caf::sec::unexpected_message));
               });
}

BOOST_FIXTURE_TEST_CASE(nobody_over_there_can_end_our_actors, two_processes) {
  const auto target = there.system.spawn(adder);
  const auto far = reach(target);
  here.self->send_exit(far, caf::exit_reason::kill);
  here.self->request(far, patience, gather_of(1))
      .receive([](const wire::holding& m) { BOOST_TEST(m.read()->getStep() == 2); },
               [](const caf::error& e) { BOOST_ERROR(to_string(e)); });
}

BOOST_AUTO_TEST_CASE(two_processes_talk_through_a_third_one) {
  // left --1--> middle --2--> right; each pair has a link number of its own.
  constexpr link_id left_link{1};
  constexpr link_id right_link{2};
  side left;
  side middle;
  side right;
  // The middle's one endpoint leads both ways.
  struct fork final : transport::endpoint {
    gateway* to_left = nullptr;
    gateway* to_right = nullptr;
    std::string address() const override { return ""; }
    void greet_with(std::function<std::string()>) override {}
    link_id dial(const std::string&) override { return {}; }
    void send(link_id to, const transport::heading& head, wire::frame_ptr body) override {
      (to == left_link ? to_left : to_right)->on_message(to, head, std::move(body));
    }
    void close(link_id, const std::string&) override {}
    transport::counters counted() const override { return {}; }
    transport::counters counted(link_id) const override { return {}; }
  } both;
  both.to_left = &left.doors;
  both.to_right = &right.doors;
  middle.doors.open(both);
  left.out.far = right.out.far = &middle.doors;
  for (auto* doors : {&left.doors, &middle.doors})
    doors->on_up(left_link);
  for (auto* doors : {&right.doors, &middle.doors})
    doors->on_up(right_link);
  const auto target = right.system.spawn(adder);
  const auto at_middle = middle.doors.remote(right_link, right.doors.expose(right_link, target));
  BOOST_TEST(middle.doors.expose(right_link, at_middle) == 0U);
  const auto at_left = left.doors.remote(left_link, middle.doors.expose(left_link, at_middle));
  left.self->request(at_left, patience, gather_of(1))
      .receive([](const wire::holding& m) { BOOST_TEST(m.read()->getStep() == 2); },
               [](const caf::error& e) { BOOST_ERROR(to_string(e)); });
  left.self->request(at_left, patience, gather_of(-1))
      .receive([](const wire::holding&) { BOOST_ERROR("answered"); },
               [](const caf::error& e) {
                 BOOST_CHECK(wire::refusal_reason(e) == schemas::Refusal::Reason::BEHIND);
               });
  left.self->monitor(at_left);
  middle.doors.on_down(right_link);
  left.self->receive([&](const caf::down_msg& m) { BOOST_CHECK(m.source == at_left.address()); },
                     caf::after(patience) >> [] { BOOST_ERROR("nothing came"); });
  for (auto* doors : {&left.doors, &middle.doors, &right.doors})
    doors->close();
}
