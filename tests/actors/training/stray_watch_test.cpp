#include "actors/training/stray_watch.hpp"

#include <boost/test/unit_test.hpp>

using namespace swarm;
using swarm::training::stray_watch;

namespace {

worker_id worker(uint64_t peer) {
  return {peer_id{peer}, incarnation_id{1}};
}

constexpr step_id step{7};

}  // namespace

BOOST_AUTO_TEST_CASE(whoever_has_just_made_the_step_is_believed_once) {
  stray_watch watch;
  BOOST_TEST(!watch.ahead(worker(1), step, step_id{8}));
  BOOST_TEST(!watch.ahead(worker(2), step, step_id{8}));
  BOOST_TEST(watch.strays().empty());
  // The step was leased again all the same.
  BOOST_TEST(watch.ahead(worker(1), step, step_id{8}));
  BOOST_TEST(watch.strays().size() == 1U);
  BOOST_TEST(watch.strays().count(worker(1)) == 1U);
}

BOOST_AUTO_TEST_CASE(whoever_is_far_ahead_is_not_believed) {
  stray_watch watch;
  BOOST_TEST(watch.ahead(worker(1), step, step_id{9}));
  BOOST_TEST(watch.ahead(worker(2), step, step_id{118}));
  BOOST_TEST(watch.strays().size() == 2U);
}

BOOST_AUTO_TEST_CASE(another_step_begins_anew) {
  stray_watch watch;
  watch.ahead(worker(1), step, step_id{9});
  watch.ahead(worker(2), step, step_id{8});
  watch.clear();
  BOOST_TEST(watch.strays().empty());
  BOOST_TEST(!watch.ahead(worker(2), step.next(), step_id{9}));
}
