#include "actors/training/disks.hpp"

#include <boost/test/unit_test.hpp>

namespace {

using namespace swarm;
using training::disks;

constexpr stage_id zero{0};
constexpr stage_id one{1};

int64_t common(const disks& d) {
  const auto version = d.everywhere();
  return version ? version->value() : -1;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_newest_that_every_stage_has_counts) {
  disks d{2};
  BOOST_TEST(common(d) == -1);
  d.told(zero, 5, step_id{5});
  BOOST_TEST(common(d) == -1);
  d.told(one, 4, step_id{5});
  BOOST_TEST(common(d) == 4);
  BOOST_TEST((d.last() == one));
  // One worker of a stage that keeps it is enough.
  d.told(one, 5, step_id{5});
  BOOST_TEST(common(d) == 5);
  d.told(one, 2, step_id{6});
  BOOST_TEST(common(d) == 5);
}

BOOST_AUTO_TEST_CASE(what_makes_no_sense_counts_nothing) {
  disks d{1};
  for (const int64_t kept : {int64_t{-1}, INT64_MIN, int64_t{7}, INT64_MAX})
    d.told(zero, kept, step_id{6});
  BOOST_TEST(common(d) == -1);
  d.told(zero, 6, step_id{6});
  d.back_to(step_id{3});
  BOOST_TEST(common(d) == 3);
}

BOOST_AUTO_TEST_CASE(a_stage_that_falls_behind_is_said_once_and_once_more_when_it_is_back) {
  disks d{2};
  BOOST_TEST((d.check(step_id{100}) == disks::verdict::none));  // nobody has promised anything
  int withdrawn = 0;
  int regained = 0;
  for (int64_t step = 0; step < 200; ++step) {
    d.told(zero, step, step_id{step});
    d.told(one, step < 50 || step >= 150 ? step : 49, step_id{step});
    switch (d.check(step_id{step})) {
      case disks::verdict::none:
        break;
      case disks::verdict::withdrawn:
        ++withdrawn;
        BOOST_TEST(step == 49 + training::disks_behind_max);
        BOOST_TEST(d.sentence() ==
                   "nobody of stage 1 can write to the disk: if all machines are lost now, the run "
                   "goes back to step 49");
        break;
      case disks::verdict::regained:
        ++regained;
        BOOST_TEST(step == 150);
        BOOST_TEST(d.sentence() == "every stage is on a disk again, at step 150");
        break;
    }
  }
  BOOST_TEST(withdrawn == 1);
  BOOST_TEST(regained == 1);
}
