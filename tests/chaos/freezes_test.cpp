#include <boost/test/unit_test.hpp>
#include <csignal>

#include "tests/chaos/rig.hpp"

// Processes are frozen and go on, and the weights are those of a single process.

using namespace swarm;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_CASE(a_frozen_peer_is_passed_over_and_comes_back) {
  chaos::rig::shape shape;
  shape.steps = 500;
  chaos::rig run{"frozen", shape};
  run.begin();
  BOOST_REQUIRE_MESSAGE(run.until_full(), run.all().story());
  const auto victim = run.peer(0, 1);
  const auto step = run.step();
  run.all().signal(victim, SIGSTOP);
  // Longer than the silence that others bear.
  run.all().until([] { return false; }, 2 * chaos::silence_timeout);
  BOOST_TEST(run.until_step(step + 10), run.all().story());
  run.all().signal(victim, SIGCONT);
  run.finish();
  BOOST_TEST(!run.all().ended(victim));
}

BOOST_AUTO_TEST_CASE(a_frozen_leader_is_followed_by_another_and_stands_by_afterwards) {
  chaos::rig run{"frozen-leader", {}};
  run.begin();
  BOOST_REQUIRE_MESSAGE(run.until_full(), run.all().story());
  const auto first = run.leader();
  const auto second = run.trainer(first == run.trainer(0) ? 1 : 0);
  run.all().signal(first, SIGSTOP);
  BOOST_TEST(run.all().until_said(second, "leads"), run.all().story());
  const auto step = run.step();
  BOOST_TEST(run.until_step(step + 10), run.all().story());
  run.all().signal(first, SIGCONT);
  run.finish();
}
