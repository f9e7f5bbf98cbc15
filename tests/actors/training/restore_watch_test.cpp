#include "actors/training/restore_watch.hpp"

#include <boost/test/unit_test.hpp>

using namespace swarm;
using namespace swarm::training;

namespace {

constexpr worker_id somebody{peer_id{1}, incarnation_id{1}};

}  // namespace

BOOST_AUTO_TEST_CASE(who_makes_progress_is_waited_for_however_long_it_takes) {
  restore_watch watch{10};
  watch.begin();
  watch.sent(somebody, 0);
  for (int second = 5; second < 1'000; second += 5) {
    watch.heard(somebody, static_cast<uint64_t>(second), second);
    BOOST_TEST(!watch.hopeless(somebody, second + 4));
  }
}

BOOST_AUTO_TEST_CASE(who_gets_nothing_for_a_multiple_of_its_pauses_is_hopeless) {
  restore_watch watch{10};
  watch.begin();
  watch.sent(somebody, 0);
  BOOST_TEST(!watch.hopeless(somebody, 10));
  BOOST_TEST(watch.hopeless(somebody, 10.1));
  watch.heard(somebody, 1, 9);
  watch.heard(somebody, 1, 40);  // as much as before is no progress
  BOOST_TEST(!watch.hopeless(somebody, 45));
  BOOST_TEST(watch.hopeless(somebody, 45.1));
}

BOOST_AUTO_TEST_CASE(an_order_that_is_sent_again_does_not_begin_its_time_anew) {
  restore_watch watch{10};
  watch.begin();
  watch.sent(somebody, 0);
  watch.sent(somebody, 9);
  BOOST_TEST(watch.hopeless(somebody, 11));
  watch.begin();
  BOOST_TEST(!watch.hopeless(somebody, 11));
  watch.sent(somebody, 11);
  BOOST_TEST(!watch.hopeless(somebody, 20));
}
