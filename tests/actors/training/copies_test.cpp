#include "actors/training/copies.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/random.hpp"

namespace {

using namespace swarm;
using training::copies;
using verdict = copies::verdict;

copies begun(int64_t every) {
  copies result{{every, 2, 60}};
  result.begin(step_id{0}, false);
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(without_copies_nothing_is_made_and_nobody_waits) {
  auto c = begun(0);
  for (int64_t v = 0; v < 100; ++v) {
    BOOST_TEST(!c.hold(step_id{v}, 0));
    BOOST_TEST(!c.make(step_id{v + 1}, 0));
  }
}

BOOST_AUTO_TEST_CASE(the_first_version_is_copied_and_then_as_late_as_the_last_copies_allow) {
  const auto made = [](int64_t steps_until_there) {
    auto c = begun(10);
    std::vector<int64_t> result;
    for (int64_t v = 1; v <= 40; ++v) {
      BOOST_TEST(!c.hold(step_id{v - 1}, 0));
      if (c.make(step_id{v}, 0)) result.push_back(v);
      if (c.pending() && v - result.back() == steps_until_there) c.arrived(step_id{v});
    }
    return result;
  };
  const std::vector<int64_t> soon{1, 9, 17, 25, 33};
  BOOST_TEST(made(0) == soon, boost::test_tools::per_element());
  BOOST_TEST(made(1) == soon, boost::test_tools::per_element());
  const std::vector<int64_t> later{1, 7, 13, 19, 25, 31, 37};
  BOOST_TEST(made(3) == later, boost::test_tools::per_element());
  const std::vector<int64_t> late{1, 6, 11, 16, 21, 26, 31, 36};
  BOOST_TEST(made(4) == late, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(while_copies_arrive_no_step_is_further_from_the_last_ones_than_the_interval) {
  splitmix64 random{7};
  for (int64_t every : {1, 2, 3, 10, 33}) {
    auto c = begun(every);
    int64_t version = 0;
    int64_t safe = 0;
    double now_s = 0;
    for (int i = 0; i < 20'000; ++i) {
      now_s += 0.01;
      if (c.pending() && random.below(8) == 0) {
        safe = c.pending()->value();
        c.arrived(step_id{version});
      }
      if (c.hold(step_id{version}, now_s)) {
        BOOST_REQUIRE(c.pending().has_value());
        BOOST_REQUIRE((c.check(now_s, step_id{version}) == verdict::none));
        continue;
      }
      c.make(step_id{++version}, now_s);
      BOOST_REQUIRE(version - safe <= every);
    }
    BOOST_TEST(version > 1000);
  }
}

BOOST_AUTO_TEST_CASE(copies_that_are_late_are_waited_for_once) {
  auto c = begun(2);
  BOOST_TEST(c.make(step_id{1}, 0));
  BOOST_TEST(!c.hold(step_id{1}, 0));
  BOOST_TEST(!c.make(step_id{2}, 0));
  BOOST_TEST(c.hold(step_id{2}, 1));
  BOOST_TEST((c.check(2.9, step_id{0}) == verdict::none));
  BOOST_TEST((c.check(3.0, step_id{0}) == verdict::late));
  BOOST_TEST(!c.hold(step_id{2}, 3));
  BOOST_TEST(!c.hold(step_id{50}, 9));
  c.arrived(step_id{50});
  BOOST_TEST(c.make(step_id{51}, 10));
  BOOST_TEST(c.hold(step_id{51}, 10));
}

BOOST_AUTO_TEST_CASE(copies_that_never_come_are_given_up_and_others_made_without_waiting) {
  auto c = begun(2);
  BOOST_TEST(c.make(step_id{1}, 0));
  // The next ones are not due yet.
  BOOST_TEST((c.check(600, step_id{2}) == verdict::none));
  BOOST_TEST((c.check(59.5, step_id{3}) == verdict::none));
  BOOST_TEST((c.check(60.5, step_id{3}) == verdict::given_up));
  BOOST_TEST((c.check(60.5, step_id{3}) == verdict::none));
  BOOST_TEST(c.make(step_id{30}, 61));
  BOOST_TEST(!c.hold(step_id{40}, 62));
}

BOOST_AUTO_TEST_CASE(who_begins_anew_waits_for_copies_of_its_own) {
  auto c = begun(4);
  BOOST_TEST(c.make(step_id{1}, 0));
  c.begin(step_id{20}, false);
  BOOST_TEST(!c.pending().has_value());
  BOOST_TEST(!c.make(step_id{20}, 1));
  BOOST_TEST(c.make(step_id{21}, 1));
  BOOST_TEST(!c.hold(step_id{23}, 1));
  BOOST_TEST(c.hold(step_id{24}, 1));
}

BOOST_AUTO_TEST_CASE(
    a_version_that_is_copied_already_is_followed_by_the_next_copies_at_their_time) {
  copies c{{10, 2, 60}};
  c.begin(step_id{0}, true);
  BOOST_TEST(!c.make(step_id{1}, 0));
  BOOST_TEST(!c.make(step_id{4}, 0));
  BOOST_TEST(c.make(step_id{5}, 0));
  c.arrived(step_id{7});
  c.begin(step_id{5}, true);
  BOOST_TEST(!c.make(step_id{11}, 1));
  BOOST_TEST(c.make(step_id{12}, 1));
}
