#include "actors/stage/worker_life.hpp"

#include <boost/test/unit_test.hpp>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace {

using namespace swarm::stage;
using outcome = worker_life::outcome;
using event = life_event;
using state = life_state;

/// The shortest way into each state.
const std::map<state, std::vector<event>> ways = {
    {state::starting, {}},
    {state::loading, {event::load}},
    {state::waiting, {event::fetch}},
    {state::fetching, {event::fetch, event::donor}},
    {state::finishing, {event::fetch, event::donor, event::whole}},
    {state::serving, {event::ready}},
    {state::restoring, {event::restore}}};

worker_life in(state wanted) {
  worker_life life;
  for (const auto e : ways.at(wanted))
    BOOST_REQUIRE((life.on(e) == outcome::changed));
  BOOST_REQUIRE((life.state() == wanted));
  return life;
}

// Columns in the order of life_event. -: ignored, !: refused.
const std::vector<std::pair<state, std::string>> table = {
    {state::starting, "loading ! waiting - ! ! serving restoring ! !"},
    {state::loading, "! waiting ! - ! ! serving restoring ! !"},
    {state::waiting, "! ! - fetching ! - serving restoring ! -"},
    {state::fetching, "! ! - - finishing - serving restoring ! waiting"},
    {state::finishing, "! ! - - - fetching serving restoring ! !"},
    {state::serving, "! ! waiting - ! ! ! restoring ! !"},
    {state::restoring, "! ! - - - - serving restoring waiting !"}};

std::string word(state s) {
  return s == state::waiting ? "waiting" : to_string(s);
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_event_in_every_state_does_what_the_table_says) {
  BOOST_REQUIRE(table.size() == static_cast<size_t>(life_states));
  for (const auto& [from, row] : table) {
    std::istringstream cells{row};
    for (int e = 0; e < life_events; ++e) {
      std::string expected;
      BOOST_REQUIRE((cells >> expected));
      auto life = in(from);
      const auto got = life.on(static_cast<event>(e));
      BOOST_TEST_CONTEXT(word(from) << ", event " << e) {
        if (expected == "-" || expected == "!") {
          BOOST_TEST((got == (expected == "-" ? outcome::ignored : outcome::refused)));
          BOOST_TEST((life.state() == from));
        } else {
          BOOST_TEST((got == outcome::changed));
          BOOST_TEST(word(life.state()) == expected);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(an_answer_of_an_earlier_attempt_can_be_told) {
  auto life = in(state::finishing);
  const auto asked = life.attempt();
  life.on(event::missed);
  life.on(event::whole);
  BOOST_TEST(life.attempt() == asked);
  life.on(event::restore);
  BOOST_TEST(life.attempt() != asked);
  const auto restore = life.attempt();
  life.on(event::restore);
  BOOST_TEST(life.attempt() != restore);
}

BOOST_AUTO_TEST_CASE(whatever_happens_nobody_serves_without_being_ready) {
  std::mt19937 random{7};
  for (int run = 0; run < 2000; ++run) {
    worker_life life;
    for (int i = 0; i < 30; ++i) {
      const auto before = life.state();
      const auto e = static_cast<event>(random() % life_events);
      const auto attempt = life.attempt();
      const auto got = life.on(e);
      if (life.serving() && before != state::serving) BOOST_REQUIRE((e == event::ready));
      if (got != outcome::changed) BOOST_REQUIRE(life.attempt() == attempt);
      // Who leaves off serving gives its state up.
      if (before == state::serving && !life.serving()) BOOST_REQUIRE(life.attempt() == attempt + 1);
      BOOST_REQUIRE(!(life.serving() && life.follows()));
    }
  }
}
