#include "actors/simulation/world.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <string>
#include <vector>

namespace {

using namespace swarm;
using namespace swarm::simulation;
using namespace std::chrono_literals;

using ball_atom = caf::atom_constant<caf::atom("ball")>;
using tick_atom = caf::atom_constant<caf::atom("tick")>;
using log_of = std::vector<std::string>;

/// Returns a ball so many times.
caf::behavior player(caf::event_based_actor* self) {
  return {[=](ball_atom, int left) {
    if (left > 0)
      self->send(caf::actor_cast<caf::actor>(self->current_sender()), ball_atom::value, left - 1);
  }};
}

/// Writes down every tick, one per `period` from the first, and keeps ticking.
caf::behavior ticker(caf::event_based_actor* self, std::vector<moment>* ticks, world* w,
                     moment period) {
  self->delayed_send(self, period, tick_atom::value);
  return {[=](tick_atom) {
            ticks->push_back(w->now());
            self->delayed_send(self, period, tick_atom::value);
          },
          [=](int number) { ticks->push_back(moment{number}); }};
}

/// Ten pairs of players under way at once.
uint64_t hash_of_a_tournament(uint64_t seed) {
  world w{seed};
  for (int pair = 0; pair < 10; ++pair) {
    const auto host = w.add_host();
    w.in_host(host, [&] {
      const auto a = w.system().spawn(player);
      const auto b = w.system().spawn(player);
      caf::send_as(a, b, ball_atom::value, 50);
    });
  }
  w.settle();
  BOOST_TEST(w.delivered() == 510U);
  return w.hash();
}

}  // namespace

BOOST_AUTO_TEST_CASE(equal_seeds_run_equal_schedules_and_others_do_not) {
  const auto first = hash_of_a_tournament(1);
  BOOST_TEST(hash_of_a_tournament(1) == first);
  BOOST_TEST(hash_of_a_tournament(2) != first);
}

BOOST_AUTO_TEST_CASE(the_hash_of_a_seed_is_the_same_in_every_build) {
  BOOST_TEST(hash_of_a_tournament(7) == 5539109611519401952U);
}

BOOST_AUTO_TEST_CASE(every_order_of_two_runnable_actors_comes_up) {
  int first_wins = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    world w{seed};
    std::vector<int> order;
    for (int i = 0; i < 2; ++i)
      w.system().spawn([&order, i](caf::event_based_actor*) { order.push_back(i); });
    w.settle();
    BOOST_TEST_REQUIRE(order.size() == 2U);
    first_wins += order[0] == 0;
  }
  BOOST_TEST(first_wins > 20);
  BOOST_TEST(first_wins < 80);
}

BOOST_AUTO_TEST_CASE(time_jumps_to_the_next_timer_when_nothing_is_runnable) {
  world w{1};
  std::vector<moment> ticks;
  w.system().spawn(ticker, &ticks, &w, moment{2h});
  w.run_until(5h);
  BOOST_TEST((ticks == std::vector<moment>{2h, 4h}));
  BOOST_TEST((w.now() == 5h));
  BOOST_TEST(w.run_while([&] { return ticks.size() < 4; }));
  BOOST_TEST((w.now() == 8h));
}

BOOST_AUTO_TEST_CASE(a_run_stops_at_its_limits) {
  world w{1};
  std::vector<moment> ticks;
  w.system().spawn(ticker, &ticks, &w, moment{1s});
  run_limit limit;
  limit.messages = 10;
  BOOST_TEST(!w.run_while([] { return true; }, limit));
  BOOST_TEST(ticks.size() == 10U);
  limit = {};
  limit.time = 20s;
  BOOST_TEST(!w.run_while([] { return true; }, limit));
  BOOST_TEST(ticks.size() == 20U);
  world idle{1};
  BOOST_TEST(!idle.run_while([] { return true; }));
}

BOOST_AUTO_TEST_CASE(children_live_where_their_parent_does) {
  world w{1};
  const auto host = w.add_host();
  const auto other = w.add_host();
  caf::actor child;
  const auto make_child = [&](caf::event_based_actor* self) { child = self->spawn(player); };
  const auto parent = w.in_host(host, [&] { return w.system().spawn(make_child); });
  const auto neighbour = w.in_host(other, [&] { return w.system().spawn(player); });
  const auto nobodys = w.system().spawn(player);
  w.settle();
  BOOST_TEST(w.host_of(parent) == host);
  BOOST_TEST(w.host_of(child) == host);
  BOOST_TEST(w.host_of(neighbour) == other);
  BOOST_TEST(w.host_of(nobodys) == observer);
}

BOOST_AUTO_TEST_CASE(a_frozen_host_does_nothing_and_catches_up_when_it_thaws) {
  world w{1};
  const auto host = w.add_host();
  std::vector<moment> ticks;
  const auto who =
      w.in_host(host, [&] { return w.system().spawn(ticker, &ticks, &w, moment{1s}); });
  w.run_until(2500ms);
  BOOST_TEST(ticks.size() == 2U);
  w.freeze(host);
  BOOST_TEST(w.frozen(host));
  caf::anon_send(who, 7);
  w.run_until(10s);
  BOOST_TEST(ticks.size() == 2U);
  w.thaw(host);
  w.settle();
  // The number and the one tick that was armed.
  BOOST_TEST(ticks.size() == 4U);
  w.run_until(12s);
  BOOST_TEST(ticks.size() == 6U);
}

BOOST_AUTO_TEST_CASE(the_longest_mailbox_is_remembered) {
  world w{1};
  const auto who = w.system().spawn(player);
  w.settle();
  BOOST_TEST(w.longest_mailbox().messages <= 1U);
  for (int i = 0; i < 9; ++i)
    caf::anon_send(who, ball_atom::value, 0);
  w.settle();
  BOOST_TEST(w.longest_mailbox().messages == 9U);
  BOOST_TEST(!w.longest_mailbox().actor.empty());
}

BOOST_AUTO_TEST_CASE(a_killed_host_runs_nothing_that_it_was_sent_before) {
  for (const bool frozen : {false, true}) {
    world w{1};
    const auto host = w.add_host();
    std::vector<moment> ticks;
    const auto who =
        w.in_host(host, [&] { return w.system().spawn(ticker, &ticks, &w, moment{1s}); });
    caf::error reason;
    bool seen = false;
    w.on_kill([&](host_id which) { seen = which == host; });
    const auto watcher = w.system().spawn([&](caf::event_based_actor* self) -> caf::behavior {
      self->monitor(who);
      self->set_down_handler([&](const caf::down_msg& m) { reason = m.reason; });
      return {[](int) {}};
    });
    w.run_until(1500ms);
    if (frozen) w.freeze(host);
    for (int i = 0; i < 5; ++i)
      caf::anon_send(who, i);
    w.kill(host);
    w.run_until(10s);
    BOOST_TEST(seen);
    BOOST_TEST(ticks.size() == 1U);
    BOOST_TEST((reason == caf::exit_reason::kill));
    BOOST_TEST(!w.frozen(host));
  }
}

BOOST_AUTO_TEST_CASE(a_killed_host_takes_along_what_it_was_about_to_spawn) {
  world w{1};
  const auto host = w.add_host();
  std::vector<moment> ticks;
  // Never ran before the kill, and neither did its child.
  w.in_host(host, [&] {
    w.system().spawn(
        [&](caf::event_based_actor* self) { self->spawn(ticker, &ticks, &w, moment{1s}); });
  });
  w.kill(host);
  w.run_until(10s);
  BOOST_TEST(ticks.empty());
  // The host lives again.
  w.in_host(host, [&] { w.system().spawn(ticker, &ticks, &w, moment{1s}); });
  w.run_until(12s);
  BOOST_TEST(ticks.size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_world_ends_whatever_lives_in_it) {
  world w{1};
  const auto host = w.add_host();
  std::vector<moment> ticks;
  w.in_host(host, [&] { w.system().spawn(ticker, &ticks, &w, moment{1s}); });
  w.system().spawn(ticker, &ticks, &w, moment{1s});
  const auto late = w.system().spawn(player);
  w.run_until(3s);
  w.freeze(host);
  caf::anon_send(late, ball_atom::value, 1);
  BOOST_TEST(ticks.size() == 6U);
}
