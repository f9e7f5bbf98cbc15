#include <boost/test/unit_test.hpp>

#include "tests/chaos/rig.hpp"

// Peers come to a run that is under way, through whoever is there.

using namespace swarm;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_CASE(the_only_known_address_dies_and_comes_back_and_others_let_newcomers_in) {
  chaos::rig::shape shape;
  shape.one_seed = true;
  chaos::rig run{"bootstrap", shape};
  run.begin();
  BOOST_REQUIRE_MESSAGE(run.until_full(), run.all().story());
  const auto seed = run.peer(0, 0);
  run.all().kill(seed);
  const auto step = run.step();
  BOOST_REQUIRE_MESSAGE(run.until_step(step + 10), run.all().story());
  // It has neither the description nor a stage: both come from the run.
  const auto newcomer = run.add_peer("newcomer", -1, run.address(run.peer(1, 0)));
  BOOST_TEST(run.until_serving(newcomer), run.all().story());
  BOOST_TEST(run.all().said(newcomer, "serves stage "), run.all().story());
  run.again(seed);
  BOOST_TEST(run.until_serving(seed), run.all().story());
  run.finish();
}

BOOST_AUTO_TEST_CASE(a_peer_that_only_dials_carries_its_stage_alone) {
  chaos::rig::shape shape;
  shape.peers = 1;
  shape.trainers = 1;
  // It has to come before the end.
  shape.steps = 1'000;
  chaos::rig run{"dials", shape};
  run.begin();
  const auto dialler = run.add_peer("dialler", 1, run.address(run.peer(0, 0)), {}, false);
  BOOST_REQUIRE_MESSAGE(run.until_serving(dialler), run.all().story());
  BOOST_TEST(run.all().said(dialler, "dials only"));
  const auto served = run.step();
  BOOST_REQUIRE_MESSAGE(run.until_step(served + 10), run.all().story());
  run.all().kill(run.peer(1, 0));
  run.finish();
}
