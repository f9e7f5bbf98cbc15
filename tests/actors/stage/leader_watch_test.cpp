#include "actors/stage/leader_watch.hpp"

#include <boost/test/unit_test.hpp>

using namespace swarm;
using namespace swarm::stage;

namespace {

const worker_id leader{peer_id{7}, incarnation_id{1}};
const worker_id other{peer_id{8}, incarnation_id{1}};
const term_id term{3};

}  // namespace

BOOST_AUTO_TEST_CASE(a_leader_is_there_while_its_beats_come) {
  leader_watch watch;
  BOOST_TEST(!watch.leads_now(0, 10));
  watch.heard(term, 5);
  BOOST_TEST(watch.leads_now(14, 10));
  BOOST_TEST(!watch.leads_now(15, 10));
  watch.heard(term, 15);
  BOOST_TEST(watch.leads_now(16, 10));
}

BOOST_AUTO_TEST_CASE(a_beat_of_an_older_term_says_nothing) {
  leader_watch watch;
  watch.heard(term, 5);
  watch.heard(term_id{2}, 14);
  BOOST_TEST(!watch.leads_now(15, 10));
}

BOOST_AUTO_TEST_CASE(a_leader_that_is_seen_to_go_is_not_waited_for) {
  for (const bool stands_down : {false, true}) {
    leader_watch watch;
    watch.announced(leader, term, true);
    watch.heard(term, 5);
    watch.gone(other);
    BOOST_TEST(watch.leads_now(6, 10));
    if (stands_down) {
      watch.announced(leader, term, false);
    } else {
      watch.gone(leader);
    }
    BOOST_TEST(!watch.leads_now(6, 10));
  }
}

BOOST_AUTO_TEST_CASE(the_end_of_an_older_leader_is_not_the_end_of_the_present_one) {
  leader_watch watch;
  watch.announced(leader, term_id{2}, true);
  watch.announced(other, term, true);
  watch.heard(term, 5);
  watch.gone(leader);
  BOOST_TEST(watch.leads_now(6, 10));
}
