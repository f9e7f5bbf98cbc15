#include "actors/supervision/supervisor.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>
#include <stdexcept>

#include "tests/actors/supervision/virtual_tree.hpp"

namespace {

using namespace swarm::supervision;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto one_for_one = restart_strategy::one_for_one;
constexpr auto one_for_all = restart_strategy::one_for_all;
constexpr auto rest_for_one = restart_strategy::rest_for_one;

struct fixture : virtual_tree {
  void grow_abc(restart_strategy strategy) {
    grow(options(strategy), {child("a"), child("b"), child("c")});
    take_lines();
  }

  template <class... Ts>
  int order(const Ts&... what) {
    return ask([](const caf::actor&) {}, what...);
  }

  void shut_down() { caf::anon_send_exit(root, caf::exit_reason::user_shutdown); }
};

int as_int(errc code) {
  return static_cast<int>(code);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(supervisor_actor, fixture)

BOOST_AUTO_TEST_CASE(children_start_in_order_and_stop_in_reverse_order) {
  grow(options(one_for_one), {child("a"), child("b"), child("c")});
  BOOST_TEST(take_lines() == "+a +b +c");
  BOOST_TEST(summary() == "a:running:0 b:running:0 c:running:0");
  shut_down();
  run();
  BOOST_TEST(take_lines() == "-c -b -a");
  BOOST_REQUIRE(root_exit());
  BOOST_TEST((*root_exit() == caf::exit_reason::user_shutdown));
}

BOOST_AUTO_TEST_CASE(one_for_one_restarts_the_failed_child_alone) {
  grow_abc(one_for_one);
  tell("b", act::fail);
  BOOST_TEST(summary() == "a:running:0 b:waiting:0 c:running:0");
  pass(milliseconds{90});
  BOOST_TEST(take_lines() == "-b");
  pass(milliseconds{10});
  BOOST_TEST(take_lines() == "+b");
  BOOST_TEST(summary() == "a:running:0 b:running:1 c:running:0");
}

BOOST_AUTO_TEST_CASE(one_for_all_restarts_everybody) {
  grow_abc(one_for_all);
  tell("b", act::fail);
  pass(milliseconds{100});
  BOOST_TEST(take_lines() == "-b -c -a +a +b +c");
  BOOST_TEST(summary() == "a:running:1 b:running:1 c:running:1");
}

BOOST_AUTO_TEST_CASE(rest_for_one_restarts_those_behind) {
  grow_abc(rest_for_one);
  tell("b", act::fail);
  pass(milliseconds{100});
  BOOST_TEST(take_lines() == "-b -c +b +c");
  BOOST_TEST(summary() == "a:running:0 b:running:1 c:running:1");
}

BOOST_AUTO_TEST_CASE(restart_types_decide_who_comes_back) {
  grow(options(one_for_one),
       {child("p"), child("t", restart_type::transient), child("u", restart_type::transient),
        child("x", restart_type::temporary)});
  tell("p", act::finish);
  tell("t", act::finish);
  tell("u", act::fail);
  tell("x", act::fail);
  pass(seconds{1});
  BOOST_TEST(summary() == "p:running:1 t:ended:0 u:running:1");
}

BOOST_AUTO_TEST_CASE(a_child_told_to_shut_down_by_others_counts_as_clean) {
  grow(options(one_for_one), {child("t", restart_type::transient)});
  caf::anon_send_exit(current("t"), caf::exit_reason::user_shutdown);
  pass(seconds{1});
  BOOST_TEST(summary() == "t:ended:0");
}

BOOST_AUTO_TEST_CASE(a_killed_child_does_not_take_its_supervisor_along) {
  grow_abc(one_for_one);
  caf::anon_send_exit(current("b"), caf::exit_reason::kill);
  pass(seconds{1});
  BOOST_TEST(summary() == "a:running:0 b:running:1 c:running:0");
}

BOOST_AUTO_TEST_CASE(too_many_failures_stop_the_supervisor_with_its_error) {
  grow_abc(one_for_one);
  for (int i = 0; i < 4; ++i) {
    tell("a", act::fail);
    pass(milliseconds{1'000});
  }
  BOOST_REQUIRE(root_exit());
  BOOST_TEST((*root_exit() == make_error(errc::intensity_exceeded)));
  BOOST_TEST(take_lines() == "-a +a -a +a -a +a -a -c -b");
  BOOST_TEST(count(event_kind::escalated, "a") == 1);
}

BOOST_AUTO_TEST_CASE(hundreds_of_seconds_of_rare_failures_do_not_escalate) {
  grow_abc(one_for_all);
  for (int i = 0; i < 200; ++i) {
    tell("a", act::fail);
    pass(seconds{12});
  }
  BOOST_TEST(summary() == "a:running:200 b:running:200 c:running:200");
  BOOST_TEST(!seen().overlapped);
}

BOOST_AUTO_TEST_CASE(back_off_doubles_until_the_child_has_lived_long_enough) {
  auto o = options(one_for_one);
  o.policy.intensity = 100;
  o.policy.backoff.reset_after = seconds{30};
  grow(o, {child("a")});
  for (int i = 0; i < 3; ++i) {
    tell("a", act::fail);
    pass(seconds{1});
  }
  pass(seconds{30});
  tell("a", act::fail);
  std::vector<std::int64_t> delays;
  for (const auto& event : seen().events)
    if (event.kind == event_kind::restart_scheduled) delays.push_back(event.delay_ms);
  BOOST_TEST((delays == std::vector<std::int64_t>{100, 200, 400, 100}));
}

BOOST_AUTO_TEST_CASE(a_seed_determines_the_jitter) {
  const auto delays = [this](std::uint64_t seed) {
    auto o = options(one_for_one);
    o.policy.intensity = 100;
    o.policy.backoff.jitter = 0.3;
    o.seed = seed;
    grow(o, {child("a")});
    seen().events.clear();
    for (int i = 0; i < 5; ++i) {
      tell("a", act::fail);
      pass(seconds{5});
    }
    std::vector<std::int64_t> result;
    for (const auto& event : seen().events)
      if (event.kind == event_kind::restart_scheduled) result.push_back(event.delay_ms);
    shut_down();
    run();
    return result;
  };
  const auto first = delays(3);
  BOOST_TEST(first.size() == 5u);
  BOOST_TEST((first == delays(3)));
  BOOST_TEST((first != delays(4)));
}

BOOST_AUTO_TEST_CASE(a_child_that_ignores_exits_is_killed_after_its_time_out) {
  grow(options(one_for_all), {child("a"), deaf_child("b")});
  take_lines();
  tell("a", act::fail);
  pass(milliseconds{990});
  BOOST_TEST(take_lines() == "-a");  // the back-off is over, but b is in the way
  pass(milliseconds{10});
  BOOST_TEST(take_lines() == "-b +a +b");
  BOOST_TEST(count(event_kind::child_killed, "b") == 1);
  shut_down();
  pass(milliseconds{990});
  BOOST_TEST(!root_exit());
  pass(milliseconds{10});
  BOOST_TEST(take_lines() == "-b -a");
  BOOST_TEST(!!root_exit());
}

BOOST_AUTO_TEST_CASE(a_factory_that_fails_counts_as_a_failure_and_is_tried_again) {
  for (const bool throws : {true, false}) {
    grow(options(one_for_all), {child("a"), failing_child("b", 2, throws), child("c")});
    pass(seconds{1});
    BOOST_TEST(take_lines() == "+a -a +a -a +a +b +c");
    BOOST_TEST(summary() == "a:running:2 b:running:0 c:running:0");
    shut_down();
    run();
    take_lines();
  }
  BOOST_TEST(count(event_kind::child_start_failed, "b") == 4);
  BOOST_TEST(seen().events[1].reason == "no device");
}

BOOST_AUTO_TEST_CASE(a_factory_that_always_fails_escalates) {
  grow(options(one_for_one), {child("a"), failing_child("b", 1'000, true)});
  pass(seconds{2});
  BOOST_REQUIRE(root_exit());
  BOOST_TEST((*root_exit() == make_error(errc::intensity_exceeded)));
  BOOST_TEST(all_gone());
}

BOOST_AUTO_TEST_CASE(a_crash_during_the_restart_of_another_is_handled_after_it) {
  grow_abc(rest_for_one);
  tell("c", act::fail);
  pass(milliseconds{50});
  tell("a", act::fail);  // c waits for its back-off
  pass(milliseconds{60});
  BOOST_TEST(take_lines() == "-c -a -b");  // c waits for a now
  pass(milliseconds{40});
  BOOST_TEST(take_lines() == "+a +b +c");
  BOOST_TEST(!seen().overlapped);
}

BOOST_AUTO_TEST_CASE(later_children_find_earlier_siblings_alive_after_every_restart) {
  grow(options(one_for_all),
       {child("compute"), child("averager"),
        watching_child("worker", {"compute", "averager", "late", "worker"}), child("late")});
  BOOST_TEST(seen().seen["worker"] == "compute averager !late !worker");
  for (const char* victim : {"compute", "averager", "worker"}) {
    seen().seen.clear();
    tell(victim, act::fail);
    pass(seconds{5});
    BOOST_TEST(seen().seen["worker"] == "compute averager !late !worker");
  }
}

BOOST_AUTO_TEST_CASE(stopping_during_the_back_off_starts_nothing_more) {
  grow_abc(one_for_one);
  tell("b", act::fail);
  shut_down();
  pass(seconds{5});
  BOOST_TEST(take_lines() == "-b -c -a");
  BOOST_TEST(!!root_exit());
}

BOOST_AUTO_TEST_CASE(children_are_terminated_and_restarted_by_command) {
  grow_abc(one_for_one);
  BOOST_TEST(ask([] {}, terminate_atom::value, std::string{"b"}) == 0);
  pass(seconds{60});
  BOOST_TEST(take_lines() == "-b");
  BOOST_TEST(summary() == "a:running:0 b:ended:0 c:running:0");
  for (int i = 0; i < 10; ++i)
    BOOST_TEST(order(restart_atom::value, std::string{"b"}) == 0);
  BOOST_TEST(summary() == "a:running:0 b:running:10 c:running:0");
  BOOST_TEST(!seen().overlapped);
}

BOOST_AUTO_TEST_CASE(a_restart_in_a_group_takes_its_siblings_along) {
  grow_abc(one_for_all);
  BOOST_TEST(order(restart_atom::value, std::string{"c"}) == 0);
  BOOST_TEST(take_lines() == "-c -b -a +a +b +c");
}

BOOST_AUTO_TEST_CASE(children_are_added_at_the_end) {
  grow_abc(rest_for_one);
  BOOST_TEST(order(add_atom::value, child("d")) == 0);
  BOOST_TEST(take_lines() == "+d");
  tell("c", act::fail);
  pass(milliseconds{100});
  BOOST_TEST(take_lines() == "-c -d +c +d");
  shut_down();
  run();
  BOOST_TEST(take_lines() == "-d -c -b -a");
}

BOOST_AUTO_TEST_CASE(unusable_commands_are_refused_and_change_nothing) {
  grow(options(one_for_one), {child("a"), deaf_child("b")});
  const std::string nobody = "nobody";
  BOOST_TEST(order(restart_atom::value, nobody) == as_int(errc::unknown_child));
  BOOST_TEST(order(add_atom::value, child("a")) == as_int(errc::duplicate_child));
  BOOST_TEST(order(add_atom::value, child("")) == as_int(errc::bad_child));
  BOOST_TEST(order(add_atom::value, failing_child("x", 1, true)) == as_int(errc::start_failed));
  pass(seconds{1});
  BOOST_TEST(summary() == "a:running:0 b:running:0 x:running:0");
  shut_down();
  run();
  BOOST_TEST(order(add_atom::value, child("z")) == as_int(errc::shutting_down));
  BOOST_TEST(order(restart_atom::value, std::string{"a"}) == as_int(errc::shutting_down));
}

BOOST_AUTO_TEST_CASE(the_number_of_children_is_limited) {
  std::vector<child_spec> many;
  for (std::size_t i = 0; i < children_max; ++i)
    many.push_back(child(std::to_string(i)));
  grow(options(one_for_one), many);
  BOOST_TEST(order(add_atom::value, child("more")) == as_int(errc::too_many_children));
  many.push_back(child("more"));
  BOOST_CHECK_THROW(spawn_supervisor(system(), {}, many), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(unusable_options_and_specs_are_refused_at_spawn) {
  auto bad = options(one_for_one);
  bad.policy.backoff.factor = 0;
  BOOST_CHECK_THROW(spawn_supervisor(system(), bad, {}), std::invalid_argument);
  const auto good = options(one_for_one);
  BOOST_CHECK_THROW(spawn_supervisor(system(), good, {child("a"), child("a")}),
                    std::invalid_argument);
  auto barren = child("a");
  barren.factory = nullptr;
  BOOST_CHECK_THROW(spawn_supervisor(system(), good, {barren}), std::invalid_argument);
  auto hasty = child("a");
  hasty.shutdown_timeout = milliseconds{-1};
  BOOST_CHECK_THROW(spawn_supervisor(system(), good, {hasty}), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(events_reach_a_sink_actor) {
  auto received = std::make_shared<std::vector<std::string>>();
  auto sink = system().spawn([received](caf::event_based_actor*) -> caf::behavior {
    return {[received](const supervision_event& event) {
      received->push_back(std::string{to_string(event.kind)} + ' ' + event.supervisor + '/' +
                          event.child + ' ' + std::to_string(event.restarts));
    }};
  });
  auto o = options(one_for_one);
  o.listener = send_events_to(sink);
  sink = nullptr;  // the listener holds it
  grow(std::move(o), {child("a")});
  tell("a", act::fail);
  pass(seconds{1});
  const std::vector<std::string> expected{"child_started root/a 0", "child_exited root/a 0",
                                          "restart_scheduled root/a 0", "child_started root/a 1"};
  BOOST_TEST(*received == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
