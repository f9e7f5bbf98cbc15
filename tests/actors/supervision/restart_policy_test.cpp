#include "actors/supervision/restart_policy.hpp"

#include <boost/test/unit_test.hpp>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace swarm::supervision;
using std::chrono::milliseconds;
using std::chrono::seconds;
using action_kind = policy_action::kind;

policy_options options_of(restart_strategy strategy) {
  policy_options options;
  options.strategy = strategy;
  options.backoff = {milliseconds{100}, milliseconds{1'000}, 2.0, 0.0, milliseconds{30'000}};
  return options;
}

// Children are called a, b, c, ...; a log line is "+a" start, "-a" stop, "!a" kill, "?a" stuck,
// "finish". A child asked to stop does so in let_stop().
class family {
 public:
  family(policy_options options, const std::vector<restart_type>& types)
      : policy(options, std::mt19937_64{1}) {
    for (const auto type : types)
      add(type);
    run();
    log.clear();
  }

  child_key add(restart_type type) { return policy.add(type, milliseconds{1'000}); }

  static std::string name(child_key key) {
    return std::string(1, static_cast<char>('a' + key - 1));
  }

  void run() {
    while (auto action = policy.next(now)) {
      const auto id = action->child == 0 ? "" : name(action->child);
      switch (action->what) {
        case action_kind::start:
          log += " +" + id;
          if (broken == action->child)
            policy.start_failed(action->child, now);
          else
            policy.started(action->child, now);
          break;
        case action_kind::stop:
          log += " -" + id;
          stopping.push_back(action->child);
          break;
        case action_kind::kill:
          log += " !" + id;
          break;
        case action_kind::report_stuck:
          log += " ?" + id;
          break;
        case action_kind::finish:
          log += " finish";
          return;
      }
    }
  }

  verdict exit(child_key key, exit_kind kind = exit_kind::failed) {
    const auto result = policy.exited(key, kind, now);
    run();
    return result;
  }

  // Everybody who was asked to stop, and who is asked in consequence, stops.
  void let_stop() {
    while (!stopping.empty()) {
      const auto key = stopping.back();
      stopping.pop_back();
      exit(key, exit_kind::clean);
    }
  }

  void pass(monotonic_time time) {
    const auto end = now + time;
    while (true) {
      const auto wakeup = policy.next_wakeup();
      if (!wakeup || *wakeup > end) break;
      BOOST_REQUIRE((*wakeup > now));  // else it would spin
      now = *wakeup;
      run();
    }
    now = end;
    run();
  }

  std::string take_log() {
    auto result = log.empty() ? log : log.substr(1);
    log.clear();
    return result;
  }

  restart_policy policy;
  monotonic_time now{seconds{1'000}};
  std::string log;
  std::vector<child_key> stopping;
  child_key broken = 0;  // its starts fail
};

constexpr auto permanent = restart_type::permanent;
constexpr auto transient = restart_type::transient;
constexpr auto temporary = restart_type::temporary;
constexpr child_key a = 1, b = 2, c = 3, d = 4;

}  // namespace

BOOST_AUTO_TEST_CASE(children_start_in_order_and_stop_in_reverse) {
  family f{options_of(restart_strategy::one_for_one), {}};
  for (int i = 0; i < 3; ++i)
    f.add(permanent);
  f.run();
  BOOST_TEST(f.take_log() == "+a +b +c");
  f.policy.close();
  f.run();
  BOOST_TEST(f.take_log() == "-c");  // one at a time
  f.let_stop();
  BOOST_TEST(f.take_log() == "-b -a finish");
}

BOOST_AUTO_TEST_CASE(one_for_one_restarts_the_failed_child_alone) {
  family f{options_of(restart_strategy::one_for_one), {permanent, permanent, permanent}};
  const auto v = f.exit(b);
  BOOST_TEST((v.what == verdict::kind::restart));
  BOOST_TEST((v.delay == milliseconds{100}));
  BOOST_TEST((f.policy.state(b) == child_state::waiting));
  f.pass(milliseconds{99});
  BOOST_TEST(f.take_log() == "");
  f.pass(milliseconds{1});
  BOOST_TEST(f.take_log() == "+b");
}

BOOST_AUTO_TEST_CASE(one_for_all_stops_everybody_before_it_starts_anybody) {
  family f{options_of(restart_strategy::one_for_all), {permanent, permanent, permanent}};
  f.exit(b);
  BOOST_TEST(f.take_log() == "-c");
  f.pass(milliseconds{500});  // the back-off is over, c is still there
  BOOST_TEST(f.take_log() == "");
  f.let_stop();
  BOOST_TEST(f.take_log() == "-a +a +b +c");
}

BOOST_AUTO_TEST_CASE(rest_for_one_spares_those_started_earlier) {
  family f{options_of(restart_strategy::rest_for_one),
           {permanent, permanent, permanent, permanent}};
  f.exit(b);
  f.let_stop();
  BOOST_TEST(f.take_log() == "-d -c");
  BOOST_TEST((f.policy.state(a) == child_state::running));
  f.pass(milliseconds{100});
  BOOST_TEST(f.take_log() == "+b +c +d");
}

BOOST_AUTO_TEST_CASE(restart_types_decide_who_comes_back) {
  const auto answer = [](restart_type type, exit_kind kind) {
    family f{options_of(restart_strategy::one_for_one), {type}};
    return f.exit(a, kind).what;
  };
  using kind = verdict::kind;
  BOOST_TEST((answer(permanent, exit_kind::clean) == kind::restart));
  BOOST_TEST((answer(permanent, exit_kind::failed) == kind::restart));
  BOOST_TEST((answer(transient, exit_kind::clean) == kind::ended));
  BOOST_TEST((answer(transient, exit_kind::failed) == kind::restart));
  BOOST_TEST((answer(temporary, exit_kind::clean) == kind::ended));
  BOOST_TEST((answer(temporary, exit_kind::failed) == kind::ended));
}

BOOST_AUTO_TEST_CASE(a_group_restart_revives_finished_transients_and_drops_temporaries) {
  family f{options_of(restart_strategy::one_for_all), {permanent, transient, temporary}};
  f.exit(b, exit_kind::clean);
  BOOST_TEST((f.policy.state(b) == child_state::ended));
  f.exit(a);
  f.let_stop();
  f.pass(milliseconds{100});
  BOOST_TEST(f.take_log() == "-c +a +b");
  BOOST_TEST(!f.policy.knows(c));
}

BOOST_AUTO_TEST_CASE(more_failures_than_the_intensity_escalate) {
  family f{options_of(restart_strategy::one_for_one), {permanent, permanent, permanent}};
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST((f.exit(b).what == verdict::kind::restart));
    f.pass(milliseconds{1'000});
  }
  f.take_log();
  BOOST_TEST((f.exit(b).what == verdict::kind::escalate));
  BOOST_TEST(f.policy.closing());
  f.let_stop();
  BOOST_TEST(f.take_log() == "-c -a finish");
}

BOOST_AUTO_TEST_CASE(failures_spread_over_time_never_escalate) {
  family f{options_of(restart_strategy::one_for_one), {permanent}};
  for (int i = 0; i < 500; ++i) {
    // Every 1.7 s: no closed window of 5 s holds more than three.
    BOOST_REQUIRE((f.exit(a).what == verdict::kind::restart));
    f.pass(milliseconds{1'700});
  }
}

BOOST_AUTO_TEST_CASE(the_window_is_closed_at_both_ends) {
  for (const int late_ns : {0, 1}) {
    auto options = options_of(restart_strategy::one_for_one);
    options.intensity = 1;
    family f{options, {permanent}};
    f.exit(a);
    f.pass(options.period + monotonic_time{late_ns});
    BOOST_TEST((f.exit(a).what == (late_ns ? verdict::kind::restart : verdict::kind::escalate)));
  }
}

BOOST_AUTO_TEST_CASE(back_off_grows_and_a_long_life_resets_it) {
  auto options = options_of(restart_strategy::one_for_one);
  options.intensity = 100;
  family f{options, {permanent}};
  for (const int expected_ms : {100, 200, 400, 800, 1'000, 1'000}) {
    BOOST_TEST((f.exit(a).delay == milliseconds{expected_ms}));
    f.pass(milliseconds{1'000} + seconds{29});
  }
  f.pass(seconds{2});
  BOOST_TEST((f.exit(a).delay == milliseconds{100}));
}

BOOST_AUTO_TEST_CASE(a_failed_start_is_a_failure) {
  family f{options_of(restart_strategy::one_for_one), {permanent, permanent}};
  f.broken = b;
  f.exit(b);
  f.pass(milliseconds{800});
  // Three restarts are allowed: the exit, two failed starts; the third failed start escalates.
  BOOST_TEST(f.take_log() == "+b +b +b -a");
  f.let_stop();
  BOOST_TEST(f.take_log() == "finish");
}

BOOST_AUTO_TEST_CASE(a_start_that_fails_halfway_takes_the_group_down_again) {
  family f{options_of(restart_strategy::one_for_all), {permanent, permanent, permanent}};
  f.exit(c);
  f.broken = b;
  f.let_stop();
  f.pass(milliseconds{100});
  BOOST_TEST(f.take_log() == "-b -a +a +b -a");
  f.broken = 0;
  f.let_stop();
  f.pass(milliseconds{200});
  BOOST_TEST(f.take_log() == "+a +b +c");
}

BOOST_AUTO_TEST_CASE(a_second_failure_widens_the_first_ones_group) {
  family f{options_of(restart_strategy::rest_for_one),
           {permanent, permanent, permanent, permanent}};
  f.exit(c);
  BOOST_TEST(f.take_log() == "-d");
  BOOST_TEST((f.exit(b).what == verdict::kind::restart));  // while d takes its time
  f.let_stop();
  f.pass(milliseconds{100});
  BOOST_TEST(f.take_log() == "+b +c +d");
}

BOOST_AUTO_TEST_CASE(a_crash_of_a_child_that_was_to_stop_anyway_is_not_counted) {
  family f{options_of(restart_strategy::one_for_all), {permanent, permanent, permanent}};
  f.exit(a);
  // b crashes on its own before its turn to stop; it would have been stopped anyway.
  BOOST_TEST((f.exit(b).what == verdict::kind::stopped));
  f.let_stop();
  f.pass(milliseconds{100});
  BOOST_TEST(f.take_log() == "-c +a +b +c");
}

BOOST_AUTO_TEST_CASE(a_child_that_ignores_the_stop_is_killed_then_reported) {
  family f{options_of(restart_strategy::one_for_all), {permanent, permanent}};
  f.exit(a);
  f.pass(milliseconds{999});
  BOOST_TEST(f.take_log() == "-b");
  f.pass(milliseconds{1});
  BOOST_TEST(f.take_log() == "!b");
  f.pass(kill_grace);
  BOOST_TEST(f.take_log() == "?b");
  f.pass(seconds{3'600});
  BOOST_TEST(f.take_log() == "");  // waited for, as two incarnations would be worse
  f.exit(b);
  BOOST_TEST(f.take_log() == "+a +b");
}

BOOST_AUTO_TEST_CASE(no_shutdown_limit_waits_for_ever) {
  family f{options_of(restart_strategy::one_for_one), {}};
  f.policy.add(permanent, no_shutdown_limit);
  f.run();
  f.policy.close();
  f.run();
  BOOST_TEST(!f.policy.next_wakeup());
  f.pass(std::chrono::hours{1'000});
  BOOST_TEST(f.take_log() == "+a -a");
}

BOOST_AUTO_TEST_CASE(closing_during_the_back_off_starts_nothing) {
  family f{options_of(restart_strategy::one_for_one), {permanent, permanent}};
  f.exit(a);
  f.policy.close();
  f.run();
  f.let_stop();
  f.pass(seconds{10});
  BOOST_TEST(f.take_log().find('+') == std::string::npos);
  BOOST_TEST((f.policy.state(a) == child_state::ended));
}

BOOST_AUTO_TEST_CASE(a_terminated_child_stays_down_through_group_restarts_until_restarted) {
  family f{options_of(restart_strategy::rest_for_one), {permanent, permanent, permanent}};
  f.policy.terminate(b);
  f.run();
  f.let_stop();
  BOOST_TEST(f.take_log() == "-b");
  f.exit(a);
  f.let_stop();
  f.pass(milliseconds{100});
  BOOST_TEST(f.take_log() == "-c +a +c");
  f.policy.restart(b, f.now);
  f.run();
  f.let_stop();
  BOOST_TEST(f.take_log() == "-c +b +c");
}

BOOST_AUTO_TEST_CASE(a_restart_by_command_skips_the_back_off_and_the_count) {
  auto options = options_of(restart_strategy::one_for_one);
  options.intensity = 1;
  family f{options, {permanent}};
  for (int i = 0; i < 10; ++i) {
    f.policy.restart(a, f.now);
    f.run();
    f.let_stop();
    BOOST_REQUIRE(f.take_log() == "-a +a");
  }
  BOOST_TEST((f.exit(a).what == verdict::kind::restart));
  f.policy.restart(a, f.now);
  f.run();
  BOOST_TEST(f.take_log() == "+a");
}

BOOST_AUTO_TEST_CASE(a_terminated_temporary_is_forgotten) {
  family f{options_of(restart_strategy::one_for_one), {temporary}};
  f.policy.terminate(a);
  f.run();
  f.let_stop();
  BOOST_TEST(!f.policy.knows(a));
}

BOOST_AUTO_TEST_CASE(a_restart_by_command_does_not_overtake_an_earlier_siblings_back_off) {
  family f{options_of(restart_strategy::rest_for_one), {permanent, permanent}};
  f.exit(a);
  f.let_stop();
  f.take_log();
  f.policy.restart(b, f.now);
  f.pass(milliseconds{99});
  BOOST_TEST(f.take_log() == "");
  f.pass(milliseconds{1});
  BOOST_TEST(f.take_log() == "+a +b");
}

BOOST_AUTO_TEST_CASE(an_earlier_siblings_failure_does_not_shorten_a_back_off) {
  family f{options_of(restart_strategy::rest_for_one), {permanent, permanent}};
  f.exit(b);
  f.pass(milliseconds{100});
  f.exit(b);  // waits 200 ms now
  f.take_log();
  f.exit(a);
  f.pass(milliseconds{199});
  BOOST_TEST(f.take_log() == "+a");
  f.pass(milliseconds{1});
  BOOST_TEST(f.take_log() == "+b");
}

BOOST_AUTO_TEST_CASE(a_temporary_restarted_by_command_comes_back) {
  family f{options_of(restart_strategy::one_for_one), {temporary}};
  f.policy.restart(a, f.now);
  f.run();
  f.let_stop();
  BOOST_TEST(f.take_log() == "-a +a");
}

BOOST_AUTO_TEST_CASE(intensity_zero_escalates_at_once) {
  auto options = options_of(restart_strategy::one_for_all);
  options.intensity = 0;
  family f{options, {permanent, permanent, permanent, permanent}};
  BOOST_TEST((f.exit(d).what == verdict::kind::escalate));
  f.let_stop();
  BOOST_TEST(f.take_log() == "-c -b -a finish");
}

BOOST_AUTO_TEST_CASE(senseless_options_are_refused) {
  policy_options options;
  BOOST_TEST(complaint(options) == nullptr);
  options.period = milliseconds{0};
  BOOST_TEST(complaint(options) != nullptr);
  options = {};
  options.backoff.factor = 0;
  BOOST_TEST(complaint(options) != nullptr);
}
