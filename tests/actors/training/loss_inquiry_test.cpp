#include "actors/training/loss_inquiry.hpp"

#include <boost/test/unit_test.hpp>

using namespace swarm;
using namespace swarm::training;

namespace {

using verdict = loss_inquiry::verdict;
const worker_id one{peer_id{1}, incarnation_id{1}};
const worker_id other{peer_id{2}, incarnation_id{1}};

}  // namespace

BOOST_AUTO_TEST_CASE(a_stage_is_lost_when_none_of_those_asked_sees_it) {
  loss_inquiry inquiry{stage_id{2}, {one, other}};
  BOOST_TEST((inquiry.now() == verdict::open));
  inquiry.answered(one, 0b011);
  BOOST_TEST((inquiry.now() == verdict::open));
  inquiry.failed(other);
  BOOST_TEST((inquiry.now() == verdict::lost));
}

BOOST_AUTO_TEST_CASE(one_who_sees_it_is_enough) {
  loss_inquiry inquiry{stage_id{2}, {one, other}};
  inquiry.answered(other, 0b100);
  BOOST_TEST((inquiry.now() == verdict::seen));
  inquiry.answered(one, 0);
  BOOST_TEST((inquiry.now() == verdict::seen));
}

BOOST_AUTO_TEST_CASE(who_was_not_asked_says_nothing) {
  loss_inquiry inquiry{stage_id{2}, {one}};
  inquiry.answered(other, 0b100);
  BOOST_TEST((inquiry.now() == verdict::open));
}

BOOST_AUTO_TEST_CASE(with_nobody_to_ask_the_coordinator_goes_by_what_it_sees) {
  BOOST_TEST((loss_inquiry{stage_id{0}, {}}.now() == verdict::lost));
}
