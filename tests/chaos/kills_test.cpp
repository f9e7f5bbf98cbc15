#include <boost/test/unit_test.hpp>
#include <csignal>
#include <cstdio>

#include "tests/chaos/rig.hpp"

// Processes die, and the weights are those of a single process.

using namespace swarm;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_CASE(a_peer_that_is_killed_is_replaced_and_comes_back) {
  chaos::rig run{"killed", {}};
  run.begin();
  BOOST_REQUIRE_MESSAGE(run.until_full(), run.all().story());
  const auto victim = run.peer(1, 0);
  run.all().kill(victim);
  const auto step = run.step();
  BOOST_REQUIRE_MESSAGE(run.until_step(step + 10), run.all().story());
  run.again(victim);
  BOOST_TEST(run.until_serving(victim), run.all().story());
  run.finish();
}

BOOST_AUTO_TEST_CASE(the_leading_trainer_is_killed_and_another_leads) {
  chaos::rig run{"coordinator", {}};
  run.begin();
  BOOST_REQUIRE_MESSAGE(run.until_full(), run.all().story());
  const auto first = run.leader();
  run.all().kill(first);
  const auto second = run.trainer(first == run.trainer(0) ? 1 : 0);
  BOOST_TEST(run.all().until_said(second, "leads"), run.all().story());
  const auto step = run.step();
  BOOST_REQUIRE_MESSAGE(run.until_step(step + 10), run.all().story());
  // The first comes back and stands by.
  run.again(first);
  run.finish();
}

BOOST_AUTO_TEST_CASE(one_peer_of_a_stage_is_enough) {
  chaos::rig::shape shape;
  shape.peers = 3;
  shape.trainers = 1;
  chaos::rig run{"all-but-one", shape};
  run.begin();
  BOOST_REQUIRE_MESSAGE(run.until_full(), run.all().story());
  run.all().signal(run.peer(0, 0), SIGKILL);
  run.all().kill(run.peer(0, 2));
  const auto step = run.step();
  BOOST_REQUIRE_MESSAGE(run.until_step(step + 10), run.all().story());
  run.again(run.peer(0, 2));
  BOOST_TEST(run.until_serving(run.peer(0, 2)), run.all().story());
  run.finish();
}

BOOST_AUTO_TEST_CASE(a_stage_that_loses_all_its_peers_comes_back_a_few_steps_earlier) {
  chaos::rig run{"stage-lost", {}};
  run.begin();
  BOOST_REQUIRE_MESSAGE(run.until_full(), run.all().story());
  // Copies of a step after the first twenty are backed up by now, or step 41 would still wait.
  BOOST_REQUIRE_MESSAGE(run.until_step(41), run.all().story());
  run.all().signal(run.peer(1, 0), SIGKILL);
  run.all().kill(run.peer(1, 1));
  const auto step = run.step();
  BOOST_REQUIRE_MESSAGE(run.until_step(step + 10), run.all().story());
  int from = 0;
  int to = 0;
  for (int64_t t = 0; t < run.what().trainers; ++t) {
    const auto line = run.all().line_with(run.trainer(t), "goes back");
    std::sscanf(line.c_str(), "stage 1 was lost: the run goes back from step %d to %d", &from, &to);
  }
  BOOST_TEST(to > 20, run.all().story());
  BOOST_TEST(from - to <= 20, run.all().story());
  run.finish();
}

BOOST_AUTO_TEST_CASE(a_run_that_loses_everybody_at_once_goes_on_from_the_copies_on_disk) {
  chaos::rig::shape shape;
  shape.peer_flags = {"--keep-copies"};
  chaos::rig run{"all-lost", shape};
  run.begin();
  BOOST_REQUIRE_MESSAGE(run.until_full(), run.all().story());
  BOOST_REQUIRE_MESSAGE(run.until_step(21), run.all().story());
  for (chaos::fleet::id id = 0; id < run.all().size(); ++id)
    run.all().signal(id, SIGKILL);
  for (chaos::fleet::id id = 0; id < run.all().size(); ++id)
    run.all().kill(id);
  const auto step = run.step();
  for (chaos::fleet::id id = 0; id < run.all().size(); ++id)
    run.again(id);
  BOOST_REQUIRE_MESSAGE(run.until_step(step + 10), run.all().story());
  run.finish();
}
