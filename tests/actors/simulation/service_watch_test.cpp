#include "actors/simulation/service_watch.hpp"

#include <boost/test/unit_test.hpp>

using namespace swarm;
using namespace swarm::simulation;

namespace {

watched_worker in(int32_t stage, bool alive = true, bool serves = true) {
  return {stage_id{stage}, alive, serves};
}

}  // namespace

BOOST_AUTO_TEST_CASE(letting_the_last_of_a_stage_go_is_seen) {
  service_watch watch{2};
  BOOST_TEST(watch.granted(0, {in(0), in(1), in(1)}, 100).has_value());
  BOOST_TEST(!watch.granted(1, {in(0), in(1), in(1)}, 100).has_value());
  BOOST_TEST(watch.granted(1, {in(0), in(1), in(1, true, false)}, 100).has_value());
}

BOOST_AUTO_TEST_CASE(who_could_not_know_of_a_death_is_not_blamed) {
  service_watch watch{2};
  watch.died(2, 90);
  BOOST_TEST(!watch.granted(1, {in(0), in(1), in(1, false)}, 100).has_value());
  BOOST_TEST(watch.granted(1, {in(0), in(1), in(1, false)}, 200).has_value());
}

BOOST_AUTO_TEST_CASE(an_empty_stage_counts_while_peers_are_enough) {
  service_watch watch{2};
  watch.look({in(0), in(0), in(1, false)}, 10);
  watch.look({in(0), in(0), in(1, false)}, 14);
  BOOST_TEST(watch.emptiest_s() == 4);
  watch.look({in(0), in(1, true, false), in(1, false)}, 15);
  BOOST_TEST(watch.emptiest_s() == 5);
  watch.look({in(0), in(1), in(1, false)}, 16);
  watch.look({in(0), in(0), in(1, false)}, 20);
  watch.struck(22);
  watch.look({in(0), in(0), in(1, false)}, 24);
  BOOST_TEST(watch.emptiest_s() == 5);
}

BOOST_AUTO_TEST_CASE(with_fewer_peers_than_stages_nobody_can_be_everywhere) {
  service_watch watch{2};
  watch.look({in(0), in(1, false)}, 0);
  watch.look({in(0), in(1, false)}, 100);
  BOOST_TEST(watch.emptiest_s() == 0);
}
