#include "actors/training/election.hpp"

#include <boost/test/unit_test.hpp>
#include <set>
#include <vector>

namespace {

using namespace swarm;
using namespace swarm::training;
using verdict = election::verdict;

worker_id life(uint64_t peer, uint32_t incarnation = 1) {
  return {peer_id{peer}, incarnation_id{incarnation}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(no_two_lives_begin_the_same_term) {
  std::set<uint64_t> terms;
  for (uint64_t peer = 1; peer < 40; ++peer)
    for (uint32_t incarnation = 1; incarnation < 40; ++incarnation)
      for (uint64_t count : {0U, 1U, 7U})
        terms.insert(term_above(term_id{count << 32 | 5}, life(peer, incarnation)).value());
  BOOST_TEST(terms.size() == 39U * 39 * 3);
}

BOOST_AUTO_TEST_CASE(a_new_term_is_above_every_term_seen) {
  term_id highest{1};
  for (uint64_t peer : {900U, 3U, 500U, 1U}) {
    const auto next = term_above(highest, life(peer));
    BOOST_TEST((highest < next));
    highest = next;
  }
}

BOOST_AUTO_TEST_CASE(a_candidate_waits_its_turn_before_it_leads) {
  election second{life(2), 3.0};
  second.announced(life(1), term_id{0}, false, 0);
  BOOST_TEST((second.decide(0) == verdict::none));
  BOOST_TEST((second.decide(5.9) == verdict::none));
  BOOST_TEST((second.decide(6.1) == verdict::ask));
  BOOST_TEST(!second.leading());
  second.lead(term_above(second.highest(), life(2)));
  BOOST_TEST(second.leading());
  BOOST_TEST((second.decide(7) == verdict::none));
}

BOOST_AUTO_TEST_CASE(nobody_runs_against_a_leader_and_its_loss_starts_the_wait) {
  election one{life(1), 3.0};
  one.announced(life(2), term_id{9}, true, 0);
  for (int now = 0; now <= 100; now += 2) {
    one.heard(term_id{9}, now);
    BOOST_TEST((one.decide(now + 1) == verdict::none));
  }
  one.gone(life(2), 101);
  BOOST_TEST((one.decide(103.9) == verdict::none));
  BOOST_TEST((one.decide(104.1) == verdict::ask));
  BOOST_TEST((term_id{9} == one.highest()));
}

BOOST_AUTO_TEST_CASE(a_leader_stands_down_before_a_higher_term_wherever_it_hears_of_it) {
  election one{life(1), 3.0};
  one.lead(term_id{1});
  one.seen(term_id{1});
  BOOST_TEST((one.decide(0) == verdict::none));
  one.seen(term_id{2});
  BOOST_TEST((one.decide(1) == verdict::stand_down));
  BOOST_TEST(!one.leading());
  // Perhaps it was a worker's memory of a leader that is dead.
  BOOST_TEST((one.decide(3.9) == verdict::none));
  BOOST_TEST((one.decide(4.1) == verdict::ask));
}

BOOST_AUTO_TEST_CASE(a_leader_whose_beats_do_not_come_is_asked_about) {
  election one{life(1), 3.0};
  one.announced(life(2), term_id{9}, true, 0);
  one.heard(term_id{9}, 10);
  BOOST_TEST((one.decide(12.9) == verdict::none));
  // It says again that it leads; that is no sign that it works.
  one.announced(life(2), term_id{9}, true, 12);
  BOOST_TEST((one.decide(13.1) == verdict::none));
  BOOST_TEST((one.decide(16.2) == verdict::ask));
  BOOST_TEST(!one.leader_heard(16.2));
  one.heard(term_id{9}, 16.3);
  BOOST_TEST((one.decide(16.4) == verdict::none));
}

BOOST_AUTO_TEST_CASE(a_candidate_that_was_denied_waits_as_long_again) {
  election one{life(1), 3.0};
  BOOST_TEST((one.decide(0) == verdict::none));
  BOOST_TEST((one.decide(3.1) == verdict::ask));
  one.denied(3.2);
  BOOST_TEST((one.decide(6.1) == verdict::none));
  BOOST_TEST((one.decide(6.3) == verdict::ask));
}

BOOST_AUTO_TEST_CASE(a_beat_of_a_term_that_is_over_keeps_nobody_waiting) {
  election one{life(1), 3.0};
  one.announced(life(2), term_id{9}, true, 0);
  one.announced(life(3), term_id{12}, true, 1);
  one.heard(term_id{9}, 3.9);
  BOOST_TEST(!one.leader_heard(4));
}

BOOST_AUTO_TEST_CASE(an_earlier_life_of_a_peer_is_over_when_the_next_announces_itself) {
  election one{life(1), 3.0};
  one.announced(life(2, 1), term_id{9}, true, 0);
  one.announced(life(2, 2), term_id{9}, false, 1);
  BOOST_TEST((one.decide(1) == verdict::none));
  BOOST_TEST((one.decide(4.1) == verdict::ask));
}
