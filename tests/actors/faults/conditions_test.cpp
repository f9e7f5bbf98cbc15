#include "actors/faults/conditions.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/actors/faults/rig.hpp"

using namespace swarm;
using namespace swarm::faults;
using namespace swarm::faults::testing;
using namespace std::chrono_literals;

namespace {

/// A target that adds one, and an asker that asks it over a link under conditions.
struct street : rig {
  explicit street(uint64_t seed = 1) : under(seed) {
    target = own(system.spawn([this]() -> caf::behavior {
      return {[this](int x) {
                got.push_back(x);
                return x + 1;
              },
              [this](const wire::loss_done& x) { ++(x.fault() ? faulty : whole); }};
    }));
    link = faulty_link(system, target, under);
    asker = own(system.spawn([this](caf::event_based_actor* self) -> caf::behavior {
      return {[this, self](caf::ok_atom, int x) {
                self->request(link, caf::infinite, x)
                    .then([this](int y) { answers.push_back(y); },
                          [this](caf::error& e) { errors.push_back(e); });
              },
              [](caf::get_atom) { return 0; }};
    }));
  }

  void ask(int x) {
    caf::anon_send(asker, caf::ok_atom::value, x);
    scheduler.run();
  }
  void ask_many(int n) {
    for (int i = 0; i < n; ++i)
      ask(i);
  }
  uint64_t count(fault_class what) const { return under.counts().of(what); }

  conditions under;
  caf::actor target;
  caf::actor link;
  caf::actor asker;
  std::vector<int> got;
  std::vector<int> answers;
  std::vector<caf::error> errors;
  int faulty = 0;
  int whole = 0;
};

struct calm : street {};

weather losing(double p) {
  weather w;
  w.loss = p;
  return w;
}

wire::loss_done frame() {
  return wire::builder<schemas::LossDone>{}.finish();
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(fair_weather_changes_nothing, calm) {
  ask_many(100);
  BOOST_TEST(answers.size() == 100U);
  BOOST_TEST(under.counts().total() == 0U);
}

BOOST_FIXTURE_TEST_CASE(loss_is_counted_and_about_as_frequent_as_asked_for, calm) {
  under.set(direction::forward, losing(0.2));
  ask_many(2000);
  const auto lost = count(fault_class::loss);
  BOOST_TEST(got.size() + lost == 2000U);
  BOOST_TEST(lost > 320U);
  BOOST_TEST(lost < 480U);
  under.set(losing(1));
  const auto before = got.size();
  ask(1);
  BOOST_TEST(got.size() == before);
}

BOOST_FIXTURE_TEST_CASE(duplicates_run_twice, calm) {
  weather w;
  w.duplication = 1;
  under.set(direction::forward, w);
  ask_many(10);
  BOOST_TEST(got.size() == 20U);
  BOOST_TEST(answers.size() == 10U);
  BOOST_TEST(count(fault_class::duplication) == 10U);
}

BOOST_FIXTURE_TEST_CASE(delays_have_a_minimum_and_a_tail, calm) {
  weather w;
  w.delay_min = 10ms;
  w.delay_tail_mean = 5ms;
  under.set(direction::forward, w);
  ask_many(200);
  scheduler.advance_time(10ms - 1ns);
  scheduler.run();
  BOOST_TEST(got.empty());
  pass(5ms);
  BOOST_TEST(got.size() > 90U);  // 1 - 1/e of them
  BOOST_TEST(got.size() < 160U);
  pass(1s);
  BOOST_TEST(got.size() == 200U);
}

BOOST_FIXTURE_TEST_CASE(a_window_reorders_and_counts_what_overtakes, calm) {
  weather w;
  w.reorder_window = 5ms;
  under.set(direction::forward, w);
  ask_many(100);
  pass(10ms);
  BOOST_TEST(got.size() == 100U);
  BOOST_TEST(!std::is_sorted(got.begin(), got.end()));
  BOOST_TEST(count(fault_class::reordering) > 10U);
}

BOOST_FIXTURE_TEST_CASE(only_frames_are_damaged_unless_told_otherwise, calm) {
  weather w;
  w.corruption = 1;
  under.set(direction::forward, w);
  ask(1);
  caf::anon_send(link, frame());
  scheduler.run();
  BOOST_TEST(got == std::vector<int>{1});
  BOOST_TEST(faulty == 1);
  w.corruption = 0;
  w.truncation = 1;
  under.set(w);
  caf::anon_send(link, frame());
  scheduler.run();
  BOOST_TEST(faulty == 2);
  BOOST_TEST(count(fault_class::corruption) == 1U);
  BOOST_TEST(count(fault_class::truncation) == 1U);
  under.damage_only(of<int>());
  ask(0);
  caf::anon_send(link, frame());
  scheduler.run();
  BOOST_TEST(whole == 1);
  BOOST_TEST(count(fault_class::truncation) == 2U);
}

BOOST_FIXTURE_TEST_CASE(a_freeze_holds_everything_until_the_thaw, calm) {
  weather w;
  w.delay_min = 10ms;
  under.set(w);
  ask(1);  // under way when the freeze begins
  under.freeze();
  ask(2);
  pass(1h);
  BOOST_TEST(got.empty());
  BOOST_TEST(count(fault_class::hold) == 2U);
  under.thaw();
  scheduler.run();
  BOOST_TEST(got.size() == 2U);
  pass(10ms);
  BOOST_TEST(answers.size() == 2U);
}

BOOST_FIXTURE_TEST_CASE(one_direction_can_freeze, calm) {
  under.freeze(direction::back);
  ask(1);
  BOOST_TEST(got.size() == 1U);
  BOOST_TEST(answers.empty());
  under.thaw();
  scheduler.run();
  BOOST_TEST(answers.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_block_loses_everything_even_what_is_under_way, calm) {
  weather w;
  w.delay_min = 10ms;
  under.set(direction::forward, w);
  ask(1);
  under.block(direction::forward);
  ask(2);
  pass(20ms);
  BOOST_TEST(got.empty());
  BOOST_TEST(count(fault_class::block) == 2U);
  under.unblock();
  ask(3);
  pass(20ms);
  BOOST_TEST(got == std::vector<int>{3});
}

BOOST_FIXTURE_TEST_CASE(a_half_open_link_executes_and_stays_silent, calm) {
  under.block(direction::back);
  ask(1);
  BOOST_TEST(got.size() == 1U);
  BOOST_TEST(answers.empty());
}

BOOST_FIXTURE_TEST_CASE(a_slow_target_serves_one_at_a_time, calm) {
  under.slow(5, 1ms);  // 4 ms more for each
  ask_many(3);
  pass(4ms);
  BOOST_TEST(got.size() == 1U);
  pass(4ms);
  BOOST_TEST(got.size() == 2U);
  pass(4ms);
  BOOST_TEST(got.size() == 3U);
  BOOST_TEST(count(fault_class::slow) == 3U);
  under.slow(1, 1ms);
  ask(9);
  BOOST_TEST(got.size() == 4U);
}

BOOST_AUTO_TEST_CASE(the_same_seed_is_the_same_run) {
  const auto run = [](uint64_t seed) {
    street s{seed};
    weather w;
    w.loss = w.duplication = 0.2;
    w.delay_tail_mean = 5ms;
    s.under.set(w);
    for (int i = 0; i < 100; ++i) {
      s.ask(i);
      s.pass(1ms);
    }
    s.pass(1s);
    return std::make_pair(s.got, s.answers);
  };
  BOOST_CHECK(run(7) == run(7));
  BOOST_CHECK(run(7) != run(8));
}

BOOST_FIXTURE_TEST_CASE(conditions_that_go_lose_what_they_hold_and_heal_their_links, rig) {
  int got = 0;
  auto target = own(system.spawn([&]() -> caf::behavior { return {[&](int) { ++got; }}; }));
  caf::actor link;
  {
    conditions under{1, losing(1)};
    link = faulty_link(system, target, under);
    caf::anon_send(link, 1);
    under.set({});
    under.freeze();
    caf::anon_send(link, 2);
    scheduler.run();
    BOOST_TEST(got == 0);
  }
  caf::anon_send(link, 3);
  scheduler.run();
  BOOST_TEST(got == 1);
}

BOOST_AUTO_TEST_CASE(bad_conditions_are_refused) {
  conditions under{1};
  BOOST_CHECK_THROW(under.set(losing(1.5)), std::invalid_argument);
  BOOST_CHECK_THROW(under.set(losing(std::nan(""))), std::invalid_argument);
  weather w;
  w.delay_min = -1ms;
  BOOST_CHECK_THROW(under.set(w), std::invalid_argument);
  BOOST_CHECK_THROW(under.slow(0.5, 1ms), std::invalid_argument);
  BOOST_CHECK_THROW(under.slow(2, -1ms), std::invalid_argument);
  BOOST_CHECK_THROW(under.damage_only(nullptr), std::invalid_argument);
  BOOST_CHECK_THROW(conditions(1, losing(-1)), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(conditions_change_under_the_feet_of_threads) {
  caf::actor_system_config config;
  caf::actor_system system{config};
  conditions under{1};
  auto target =
      system.spawn<caf::detached>([]() -> caf::behavior { return {[](int x) { return x + 1; }}; });
  auto link = faulty_link(system, target, under);
  auto changer = system.spawn<caf::detached>([&](caf::event_based_actor* self) -> caf::behavior {
    return {[&, self](int left) {
      weather w;
      w.delay_tail_mean = 10us;
      w.duplication = 0.3;
      under.set(w);
      under.freeze();
      under.slow(2, 1us);
      under.thaw();
      if (left > 0) self->send(self, left - 1);
    }};
  });
  caf::anon_send(changer, 2000);
  caf::scoped_actor self{system};
  int right = 0;
  for (int i = 0; i < 300; ++i) {
    self->request(link, 10s, i)
        .receive([&](int x) { right += x == i + 1 ? 1 : 0; }, [](caf::error&) {});
  }
  // Nothing is lost: whatever was held comes out at the next thaw.
  BOOST_TEST(right == 300);
  self->send_exit(changer, caf::exit_reason::kill);
  self->send_exit(target, caf::exit_reason::kill);
}
