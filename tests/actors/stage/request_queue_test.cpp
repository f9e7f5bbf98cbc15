#include "actors/stage/request_queue.hpp"

#include <boost/test/unit_test.hpp>
#include <set>

#include "actors/random.hpp"

namespace {

using queue = swarm::stage::request_queue<int, int>;

}  // namespace

BOOST_AUTO_TEST_CASE(requests_are_served_in_order_a_few_at_a_time) {
  queue q;
  for (int i = 0; i < 5; ++i)
    q.push(i, 0, queue::no_deadline);
  BOOST_TEST(q.next(0)->request == 0);
  BOOST_TEST(q.next(0)->request == 1);
  BOOST_TEST(!q.next(0));
  BOOST_TEST(q.size() == 5U);
  q.done();
  BOOST_TEST(q.next(0)->request == 2);
  BOOST_TEST(!q.next(0));
}

BOOST_AUTO_TEST_CASE(whoever_does_not_wait_any_more_is_not_served) {
  queue q;
  q.push(1, 0, 10);
  q.push(2, 0, 12);
  q.push(3, 0, queue::no_deadline);
  const auto first = q.next(11);
  BOOST_TEST((first->request == 1 && first->expired));
  // It took no place at the device.
  BOOST_TEST(!q.next(11)->expired);
  BOOST_TEST(!q.next(11)->expired);
  q.push(4, 0, 12);
  // It is told so at once, not when a place is free.
  BOOST_TEST(q.next(12)->expired);
  BOOST_TEST(!q.next(12));
}

BOOST_AUTO_TEST_CASE(what_waits_can_be_taken_back_and_what_is_at_the_device_cannot) {
  queue q;
  for (int i = 1; i <= 4; ++i)
    q.push(i, i, queue::no_deadline);
  q.push(5, 0, queue::no_deadline);
  q.next(0);
  q.next(0);
  BOOST_TEST(q.cancel(1).empty());
  BOOST_TEST(q.cancel(4).size() == 1U);
  BOOST_TEST(q.cancel(4).empty());
  q.done();
  q.done();
  BOOST_TEST(q.next(0)->request == 3);
  BOOST_TEST(q.next(0)->request == 5);
}

BOOST_AUTO_TEST_CASE(every_request_ends_exactly_once) {
  swarm::splitmix64 random{3};
  for (int round = 0; round < 200; ++round) {
    queue q;
    std::multiset<int> ended;
    int pushed = 0;
    size_t at_device = 0;
    const auto turn = [&](double now) {
      while (const auto t = q.next(now)) {
        ended.insert(t->request);
        if (!t->expired) ++at_device;
        BOOST_REQUIRE(at_device <= queue::at_device_max);
      }
    };
    for (int t = 0; t < 200; ++t) {
      const auto what = random.below(3);
      if (what == 0) q.push(pushed, pushed, t + 20 * random.unit()), ++pushed;
      if (what == 1 && at_device > 0) q.done(), --at_device;
      if (what == 2 && pushed > 0)
        for (const int gone :
             q.cancel(static_cast<int>(random.below(static_cast<uint64_t>(pushed)))))
          ended.insert(gone);
      turn(t);
    }
    for (; at_device > 0; --at_device)
      q.done();
    turn(1e9);
    BOOST_REQUIRE(ended.size() == static_cast<size_t>(pushed));
    for (int i = 0; i < pushed; ++i)
      BOOST_REQUIRE(ended.count(i) == 1U);
  }
}
