#include "actors/simulation/service_watch.hpp"

#include <boost/test/unit_test.hpp>

using namespace swarm;
using namespace swarm::simulation;

namespace {

watched_worker in(int32_t stage, bool alive = true, bool serves = true) {
  return {stage_id{stage}, alive, serves};
}

bool possible() {
  return true;
}

bool impossible() {
  return false;
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

BOOST_AUTO_TEST_CASE(an_empty_stage_counts_until_it_is_served_or_struck_anew) {
  service_watch watch{2};
  watch.look({in(0), in(0), in(1, false)}, 10, possible);
  watch.look({in(0), in(0), in(1, false)}, 14, possible);
  BOOST_TEST(watch.emptiest_s() == 4);
  watch.look({in(0), in(1, true, false), in(1, false)}, 15, possible);
  BOOST_TEST(watch.emptiest_s() == 5);
  watch.look({in(0), in(1), in(1, false)}, 16, possible);
  watch.look({in(0), in(0), in(1, false)}, 20, possible);
  watch.struck(22);
  watch.look({in(0), in(0), in(1, false)}, 24, possible);
  BOOST_TEST(watch.emptiest_s() == 5);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_rescued_is_not_waited_for) {
  service_watch watch{2};
  watch.look({in(0), in(1, false)}, 0, possible);
  watch.look({in(0), in(1, false)}, 90, impossible);
  watch.look({in(0), in(1, false)}, 100, possible);
  BOOST_TEST(watch.emptiest_s() == 0);
  watch.look({in(0), in(1, false)}, 103, possible);
  watch.look({in(0), in(1)}, 104, impossible);
  const std::vector<double> expected{4};
  BOOST_TEST(watch.empty_s() == expected, boost::test_tools::per_element());
}
