#include "actors/planted_bug.hpp"

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_CASE(what_is_shipped_has_no_planted_bugs) {
  using swarm::planted_bug;
  // Known to the compiler, so that no branch is left of it.
  constexpr bool first = swarm::planted(planted_bug::double_count_on_retry);
  constexpr bool last = swarm::planted(planted_bug::children_left_behind);
  BOOST_TEST(!first);
  BOOST_TEST(!last);
}
