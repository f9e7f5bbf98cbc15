#include "actors/faults/link.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/wire/errc.hpp"
#include "tests/actors/faults/rig.hpp"

using namespace swarm;
using namespace swarm::faults;
using namespace swarm::faults::testing;
using namespace std::chrono_literals;

struct local_only {
  int value = 0;
};
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(local_only)

namespace {

using adder = caf::typed_actor<caf::replies_to<int>::with<int>>;

/// Adds one; notes what it got, and who asked.
struct counter {
  std::vector<int> got;
  caf::strong_actor_ptr asker;
  bool down_seen = false;
  int answered = 0;
};

caf::behavior adding(caf::event_based_actor* self, std::shared_ptr<counter> state) {
  self->set_down_handler([state](const caf::down_msg&) { state->down_seen = true; });
  return {[self, state](int x) {
            state->got.push_back(x);
            state->asker = self->current_sender();
            return x + 1;
          },
          [self, state](caf::get_atom) {
            self->request(caf::actor_cast<caf::actor>(state->asker), 1s, 5)
                .then([state] { ++state->answered; },
                      [state](caf::error&) { state->answered += 100; });
          }};
}

adder::behavior_type typed_adding() {
  return {[](int x) { return x + 1; }};
}

/// Sends what it is told and hears what comes back.
caf::behavior asking(caf::event_based_actor* self, caf::actor target, std::shared_ptr<heard> ears) {
  return {[=](caf::ok_atom, int x) {
            self->request(target, caf::infinite, x)
                .then([=](int y) { ears->answers.push_back(y); },
                      [=](caf::error& e) { ears->errors.push_back(e); });
          },
          [=](int x) { ears->answers.push_back(x); }};
}

struct pair : rig {
  std::shared_ptr<scripted> policy = std::make_shared<scripted>();
  std::shared_ptr<counter> state = std::make_shared<counter>();
  std::shared_ptr<heard> ears = std::make_shared<heard>();
  caf::actor target = own(system.spawn(adding, state));
  caf::actor link = link_to(system, target, policy);
  caf::actor asker = own(system.spawn(asking, link, ears));

  ~pair() { state->asker = nullptr; }

  void ask(int x) {
    caf::anon_send(asker, caf::ok_atom::value, x);
    scheduler.run();
  }
};

wire::loss_done some_frame() {
  wire::builder<schemas::LossDone> message;
  message->setLoss(1.5);
  return message.finish();
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_request_and_its_answer_pass, pair) {
  ask(1);
  BOOST_TEST(ears->answers == std::vector<int>{2});
  BOOST_TEST(policy->count(direction::forward) == 1U);
  BOOST_TEST(policy->count(direction::back) == 1U);
  BOOST_TEST(policy->requests[0] == policy->requests[1]);
  BOOST_TEST(policy->requests[0] != 0U);
}

BOOST_FIXTURE_TEST_CASE(a_message_without_a_sender_passes, pair) {
  caf::anon_send(link, 7);
  scheduler.run();
  BOOST_TEST(state->got == std::vector<int>{7});
  BOOST_TEST(policy->count(direction::back) == 0U);
}

BOOST_FIXTURE_TEST_CASE(delays_count_in_virtual_time_both_ways, pair) {
  policy->then(direction::forward, fate::deliver(10ms));
  policy->then(direction::back, fate::deliver(5ms));
  ask(1);
  BOOST_TEST(state->got.empty());
  pass(9ms);
  BOOST_TEST(state->got.empty());
  pass(1ms);
  BOOST_TEST(state->got.size() == 1U);
  BOOST_TEST(ears->answers.empty());
  pass(4ms);
  BOOST_TEST(ears->answers.empty());
  pass(1ms);
  BOOST_TEST(ears->answers == std::vector<int>{2});
}

BOOST_FIXTURE_TEST_CASE(a_lost_request_never_arrives, pair) {
  policy->then(direction::forward, fate::lose());
  ask(1);
  ask(2);
  BOOST_TEST(state->got == std::vector<int>{2});
  BOOST_TEST(ears->answers == std::vector<int>{3});
}

BOOST_FIXTURE_TEST_CASE(a_lost_answer_was_executed, pair) {
  policy->then(direction::back, fate::lose());
  ask(1);
  BOOST_TEST(state->got == std::vector<int>{1});
  BOOST_TEST(ears->answers.empty());
}

BOOST_FIXTURE_TEST_CASE(a_duplicated_request_runs_twice_and_is_answered_once, pair) {
  policy->then(direction::forward, fate::duplicate(0ns, 3ms));
  ask(1);
  pass(3ms);
  BOOST_TEST(state->got == (std::vector<int>{1, 1}));
  BOOST_TEST(ears->answers == std::vector<int>{2});
}

BOOST_FIXTURE_TEST_CASE(a_duplicated_answer_is_heard_once, pair) {
  policy->then(direction::back, fate::duplicate(0ns, 0ns));
  ask(1);
  ask(5);
  BOOST_TEST(ears->answers == (std::vector<int>{2, 6}));
}

BOOST_FIXTURE_TEST_CASE(three_copies_are_the_most, pair) {
  fate many;
  many.copies = 200;
  policy->then(direction::forward, many);
  caf::anon_send(link, 1);
  scheduler.run();
  BOOST_TEST(state->got.size() == fate::copies_max);
}

BOOST_FIXTURE_TEST_CASE(a_later_message_overtakes_a_delayed_one, pair) {
  policy->then(direction::forward, fate::deliver(10ms));
  policy->then(direction::forward, fate::deliver(1ms));
  ask(1);
  ask(2);
  pass(20ms);
  BOOST_TEST(state->got == (std::vector<int>{2, 1}));
  BOOST_TEST(ears->answers == (std::vector<int>{3, 2}));
}

BOOST_FIXTURE_TEST_CASE(a_call_fails_before_its_execution, pair) {
  policy->then(direction::forward, fate::fail(caf::make_error(caf::sec::runtime_error)));
  ask(1);
  BOOST_TEST(state->got.empty());
  BOOST_REQUIRE(ears->errors.size() == 1U);
  BOOST_CHECK(ears->errors[0] == caf::sec::runtime_error);
}

BOOST_FIXTURE_TEST_CASE(a_call_fails_during_its_execution, pair) {
  auto both = fate::deliver(5ms);
  both.bounce = caf::make_error(caf::sec::runtime_error);
  both.bounce_delay = 2ms;
  policy->then(direction::forward, both);
  ask(1);
  BOOST_TEST(ears->errors.empty());
  pass(2ms);
  BOOST_TEST(ears->errors.size() == 1U);
  pass(5ms);
  BOOST_TEST(state->got.size() == 1U);
  BOOST_TEST(ears->answers.empty());
}

BOOST_FIXTURE_TEST_CASE(a_policy_may_change_the_answer, pair) {
  fate lie;
  lie.instead = caf::make_message(42);
  policy->then(direction::back, lie);
  ask(1);
  BOOST_TEST(ears->answers == std::vector<int>{42});
}

BOOST_FIXTURE_TEST_CASE(a_message_is_lost_if_the_link_went_down_under_way, pair) {
  policy->then(direction::forward, fate::deliver(5ms));
  ask(1);
  policy->up = false;
  pass(5ms);
  BOOST_TEST(state->got.empty());
}

BOOST_FIXTURE_TEST_CASE(a_pen_holds_messages_in_order, pair) {
  auto frozen = std::make_shared<pen>();
  fate hold;
  hold.held = frozen;
  policy->then(direction::forward, hold);
  policy->then(direction::forward, hold);
  auto back = std::make_shared<pen>();
  fate hold_back;
  hold_back.held = back;
  policy->then(direction::back, hold_back);
  ask(1);
  ask(2);
  pass(1h);
  BOOST_TEST(state->got.empty());
  BOOST_TEST(frozen->size() == 2U);
  BOOST_TEST(frozen->open() == 2U);
  scheduler.run();
  BOOST_TEST(state->got == (std::vector<int>{1, 2}));
  BOOST_TEST(ears->answers == std::vector<int>{3});
  BOOST_TEST(back->drop() == 1U);
  // Open for good: nothing stays behind that was parked too late.
  policy->then(direction::forward, hold);
  policy->then(direction::forward, hold_back);
  ask(3);
  ask(4);
  BOOST_TEST(state->got == (std::vector<int>{1, 2, 3}));
}

BOOST_FIXTURE_TEST_CASE(sends_to_the_current_sender_pass_the_policy, pair) {
  ask(1);
  const auto before = policy->count(direction::back);
  caf::anon_send(caf::actor_cast<caf::actor>(state->asker), 9);
  scheduler.run();
  BOOST_TEST(policy->count(direction::back) == before + 1);
  BOOST_TEST(ears->answers.back() == 9);
  BOOST_CHECK(state->asker != asker);
}

BOOST_FIXTURE_TEST_CASE(one_sender_has_one_return_link, pair) {
  ask(1);
  const auto first = state->asker;
  ask(2);
  BOOST_CHECK(state->asker == first);
}

BOOST_FIXTURE_TEST_CASE(the_target_may_ask_back, pair) {
  ask(1);
  const auto forward = policy->count(direction::forward);
  const auto back = policy->count(direction::back);
  caf::anon_send(target, caf::get_atom::value);
  scheduler.run();
  BOOST_TEST(state->answered == 1);
  BOOST_TEST(ears->answers.back() == 5);
  BOOST_TEST(policy->count(direction::back) == back + 1);
  BOOST_TEST(policy->count(direction::forward) == forward + 1);
}

BOOST_FIXTURE_TEST_CASE(a_terminated_target_ends_the_link, pair) {
  caf::scoped_actor self{system};
  self->monitor(link);
  caf::anon_send_exit(target, caf::exit_reason::user_shutdown);
  scheduler.run();
  bool down = false;
  self->receive([&](const caf::down_msg& x) {
    down = x.source == link.address() && x.reason == caf::exit_reason::user_shutdown;
  });
  BOOST_TEST(down);
  ask(1);
  BOOST_REQUIRE(ears->errors.size() == 1U);
  BOOST_CHECK(ears->errors[0] == caf::exit_reason::user_shutdown);
}

BOOST_FIXTURE_TEST_CASE(an_unwatched_target_ends_in_silence, pair) {
  link_options blind;
  blind.watch_target = false;
  auto quiet = link_to(system, target, policy, blind);
  caf::scoped_actor self{system};
  self->monitor(quiet);
  caf::anon_send_exit(target, caf::exit_reason::kill);
  scheduler.run();
  BOOST_TEST(!self->has_next_message());
  // The dead target's own refusal comes back over the link.
  auto ears2 = std::make_shared<heard>();
  auto asker2 = own(system.spawn(asking, quiet, ears2));
  caf::anon_send(asker2, caf::ok_atom::value, 1);
  const auto before = policy->count(direction::back);
  scheduler.run();
  BOOST_TEST(ears2->errors.size() == 1U);
  BOOST_TEST(policy->count(direction::back) == before + 1);
}

BOOST_FIXTURE_TEST_CASE(a_link_to_the_dead_is_dead, pair) {
  caf::anon_send_exit(target, caf::exit_reason::kill);
  scheduler.run();
  auto late = link_to(system, target, policy);
  caf::scoped_actor self{system};
  self->monitor(late);
  scheduler.run();
  BOOST_TEST(self->has_next_message());
}

BOOST_FIXTURE_TEST_CASE(an_answer_under_way_survives_the_target, pair) {
  policy->then(direction::back, fate::deliver(5ms));
  ask(1);
  caf::anon_send_exit(target, caf::exit_reason::user_shutdown);
  pass(5ms);
  BOOST_TEST(ears->answers == std::vector<int>{2});
}

BOOST_FIXTURE_TEST_CASE(cutting_a_link_is_seen_at_both_ends, pair) {
  ask(1);
  caf::scoped_actor self{system};
  self->monitor(link);
  auto watcher = own(system.spawn([this](caf::event_based_actor* who) -> caf::behavior {
    who->monitor(state->asker);
    who->set_down_handler([this](const caf::down_msg&) { state->down_seen = true; });
    return {[](int) {}};
  }));
  scheduler.run();
  policy->then(direction::forward, fate::deliver(5ms));
  ask(2);
  BOOST_TEST(cut(link, caf::exit_reason::remote_link_unreachable));
  scheduler.run();
  BOOST_TEST(self->has_next_message());
  BOOST_TEST(state->down_seen);
  pass(5ms);
  BOOST_TEST(state->got == std::vector<int>{1});
  ask(3);
  BOOST_TEST(state->got == std::vector<int>{1});
  BOOST_TEST(!ears->errors.empty());
  BOOST_TEST(!cut(target, caf::exit_reason::kill));
}

BOOST_FIXTURE_TEST_CASE(an_exit_is_a_message, pair) {
  policy->then(direction::forward, fate::lose());
  policy->then(direction::forward, fate::deliver(5ms));
  caf::anon_send_exit(link, caf::exit_reason::kill);
  scheduler.run();
  ask(1);
  pass(5ms);
  BOOST_TEST(ears->answers.size() == 1U);
  policy->then(direction::forward, fate::deliver(5ms));
  caf::anon_send_exit(link, caf::exit_reason::kill);
  pass(5ms);
  ask(2);
  BOOST_TEST(ears->errors.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_sender_that_ends_ends_its_return_link, pair) {
  ask(1);
  const auto returns = caf::actor_cast<caf::actor>(state->asker);
  caf::scoped_actor self{system};
  self->monitor(returns);
  caf::anon_send_exit(asker, caf::exit_reason::user_shutdown);
  scheduler.run();
  BOOST_TEST(self->has_next_message());
}

BOOST_FIXTURE_TEST_CASE(return_links_are_bounded, pair) {
  for (size_t i = 0; i < return_links_max + 10; ++i) {
    auto ears2 = std::make_shared<heard>();
    auto asker2 = own(system.spawn(asking, link, ears2));
    caf::anon_send(asker2, caf::ok_atom::value, 1);
    scheduler.run();
    BOOST_REQUIRE(ears2->answers.size() == 1U);
  }
  // The oldest sender is a new one now, and still served.
  ask(1);
  BOOST_TEST(ears->answers.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(typed_handles_stay_typed, rig) {
  auto policy = std::make_shared<scripted>();
  auto target = system.spawn(typed_adding);
  const adder link = link_to(system, target, policy);
  own(caf::actor_cast<caf::actor>(target));
  int answer = 0;
  auto asker = own(system.spawn([&](caf::event_based_actor* self) -> caf::behavior {
    return {
        [&, self](caf::ok_atom) { self->request(link, 1s, 3).then([&](int x) { answer = x; }); }};
  }));
  caf::anon_send(asker, caf::ok_atom::value);
  scheduler.run();
  BOOST_TEST(answer == 4);
  BOOST_CHECK(caf::actor_cast<caf::abstract_actor*>(link)->message_types() ==
              caf::actor_cast<caf::abstract_actor*>(target)->message_types());
}

BOOST_FIXTURE_TEST_CASE(a_damaged_frame_arrives_with_a_fault_either_way, rig) {
  for (const auto harm : {damage::corrupt, damage::truncate}) {
    for (uint64_t seed = 0; seed < 200; ++seed) {
      auto policy = std::make_shared<scripted>();
      fate hurt;
      hurt.harm = harm;
      hurt.harm_seed = seed;
      policy->then(seed % 2 == 0 ? direction::forward : direction::back, hurt);
      int faults = 0;
      int whole = 0;
      const auto note = [&](const wire::loss_done& x) { ++(x.fault() ? faults : whole); };
      auto target = own(system.spawn([&](caf::event_based_actor*) -> caf::behavior {
        return {[&](const wire::loss_done& x) {
          note(x);
          return some_frame();
        }};
      }));
      auto link = link_to(system, target, policy);
      auto asker = own(system.spawn([&](caf::event_based_actor* self) -> caf::behavior {
        return {[&, self](caf::ok_atom) {
          self->request(link, 1s, some_frame()).then(note, [](caf::error&) {});
        }};
      }));
      caf::anon_send(asker, caf::ok_atom::value);
      scheduler.run();
      BOOST_REQUIRE(faults == 1);
      BOOST_REQUIRE(whole == 1);
      BOOST_REQUIRE(policy->count(direction::back) == 1U);
    }
  }
}

BOOST_FIXTURE_TEST_CASE(no_damage_is_a_copy, rig) {
  const auto whole = caf::make_message(some_frame());
  const auto same = damaged(system, whole, damage::none, 0);
  BOOST_REQUIRE(same.match_elements<wire::loss_done>());
  BOOST_TEST(!same.get_as<wire::loss_done>(0).fault().has_value());
}

BOOST_FIXTURE_TEST_CASE(content_that_never_leaves_a_process_is_not_damaged, rig) {
  const auto whole = caf::make_message(local_only{7});
  const auto same = damaged(system, whole, damage::corrupt, 0);
  BOOST_REQUIRE(same.match_elements<local_only>());
  BOOST_TEST(same.get_as<local_only>(0).value == 7);
}

BOOST_AUTO_TEST_CASE(links_do_not_keep_a_system_alive) {
  auto policy = std::make_shared<scripted>();
  std::weak_ptr<scripted> watched = policy;
  {
    rig r;
    auto state = std::make_shared<counter>();
    auto ears = std::make_shared<heard>();
    auto target = r.own(r.system.spawn(adding, state));
    auto link = link_to(r.system, target, policy);
    policy->then(direction::forward, fate::deliver(1h));
    auto asker = r.own(r.system.spawn(asking, link, ears));
    caf::anon_send(asker, caf::ok_atom::value, 1);
    caf::anon_send(asker, caf::ok_atom::value, 2);
    r.scheduler.run();
    BOOST_TEST(ears->answers.size() == 1U);
    state->asker = nullptr;
  }
  policy.reset();
  BOOST_TEST(watched.expired());
}

BOOST_AUTO_TEST_CASE(links_work_between_threads) {
  caf::actor_system_config config;
  caf::actor_system system{config};
  auto state = std::make_shared<counter>();
  auto policy = std::make_shared<scripted>();
  auto target = system.spawn<caf::detached>(adding, state);
  caf::scoped_actor self{system};
  auto link = link_to(system, target, policy);
  for (int i = 0; i < 100; ++i) {
    policy->then(direction::forward, i % 2 == 0 ? fate::deliver(100us) : fate{});
    policy->then(direction::back, i % 3 == 0 ? fate::duplicate(0ns, 50us) : fate{});
    int answer = 0;
    self->request(link, 10s, i).receive([&](int x) { answer = x; }, [](caf::error&) {});
    BOOST_REQUIRE(answer == i + 1);
  }
  state->asker = nullptr;
  self->send_exit(target, caf::exit_reason::user_shutdown);
}
