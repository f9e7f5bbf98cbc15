#include "actors/training/stuck_clock.hpp"

#include <boost/test/unit_test.hpp>

using namespace swarm;
using namespace swarm::training;

BOOST_AUTO_TEST_CASE(a_stage_is_due_when_it_was_never_ready_for_long_enough) {
  stuck_clock clock{5};
  clock.observe({stage_id{1}}, 0);
  BOOST_TEST(!clock.due(4.9).has_value());
  clock.observe({stage_id{1}}, 4.9);
  BOOST_TEST((clock.due(5) == stage_id{1}));
}

BOOST_AUTO_TEST_CASE(two_stages_that_are_back_soon_are_no_lost_stage) {
  stuck_clock clock{5};
  clock.observe({stage_id{2}}, 1);
  clock.observe({}, 1.3);
  clock.observe({stage_id{0}}, 8);
  BOOST_TEST(!clock.due(8).has_value());
  BOOST_TEST((clock.due(13) == stage_id{0}));
}

BOOST_AUTO_TEST_CASE(a_stage_that_was_ready_in_between_begins_anew) {
  stuck_clock clock{5};
  clock.observe({stage_id{0}, stage_id{1}}, 0);
  clock.observe({stage_id{1}}, 3);
  clock.observe({stage_id{0}, stage_id{1}}, 4);
  BOOST_TEST((clock.due(8.9) == stage_id{1}));
  clock.observe({stage_id{0}}, 8.9);
  BOOST_TEST(!clock.due(8.9).has_value());
  BOOST_TEST((clock.due(9) == stage_id{0}));
}

BOOST_AUTO_TEST_CASE(an_attempt_that_comes_to_nothing_is_repeated_after_the_same_time) {
  stuck_clock clock{5};
  clock.observe({stage_id{0}}, 0);
  clock.restart(6);
  BOOST_TEST(!clock.due(10.9).has_value());
  BOOST_TEST((clock.due(11) == stage_id{0}));
}
