#include "actors/training/vote_count.hpp"

#include <boost/test/unit_test.hpp>

using namespace swarm::training;

BOOST_AUTO_TEST_CASE(a_candidate_needs_more_than_half_of_those_who_answer) {
  vote_count votes;
  votes.granted();
  BOOST_TEST(votes.won(false));
  votes.denied();
  BOOST_TEST(!votes.won(false));
  votes.granted();
  BOOST_TEST(votes.won(false));
}

BOOST_AUTO_TEST_CASE(nobody_may_stand_alone_who_has_known_others) {
  BOOST_TEST(vote_count{}.won(true));
  BOOST_TEST(!vote_count{}.won(false));
}
