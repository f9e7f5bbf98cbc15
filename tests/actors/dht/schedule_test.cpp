#include "actors/dht/schedule.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <vector>

using namespace swarm::dht;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_CASE(a_task_is_due_once_per_period_with_jitter) {
  schedule_options options;
  options.refresh_every = 1'000ms;
  schedule plan{options, 1, 0ms};
  std::vector<moment> times;
  for (moment now{0}; now < 100s; now += 1ms)
    if (plan.refresh_due(now)) times.push_back(now);
  BOOST_TEST(times.size() >= 90U);
  BOOST_TEST(times.size() <= 110U);
  bool differ = false;
  for (size_t i = 1; i < times.size(); ++i) {
    const auto pause = times[i] - times[i - 1];
    BOOST_TEST((pause >= 800ms && pause <= 1'201ms));
    differ = differ || pause != times[1] - times[0];
  }
  BOOST_TEST(differ);
}

BOOST_AUTO_TEST_CASE(pauses_between_attempts_to_join_double_up_to_the_maximum) {
  schedule_options options;
  options.jitter = 0;
  schedule plan{options, 1, 0ms};
  std::vector<moment> times;
  for (moment now{0}; now < 200s; now += 10ms)
    if (plan.rejoin_due(now)) times.push_back(now);
  BOOST_TEST((times[0] == 0ms));
  BOOST_TEST((times[1] == 500ms));
  BOOST_TEST((times[2] == 1'500ms));
  BOOST_TEST((times[3] == 3'500ms));
  BOOST_TEST((times.back() - times[times.size() - 2] == options.rejoin_max));
  plan.joined();
  BOOST_TEST(plan.rejoin_due(200s));
  BOOST_TEST(!plan.rejoin_due(200'400ms));
  BOOST_TEST(plan.rejoin_due(200'500ms));
}

BOOST_AUTO_TEST_CASE(nodes_that_lost_each_other_do_not_come_back_at_one_moment) {
  std::vector<moment> seconds;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    schedule plan{{}, seed, 0ms};
    plan.rejoin_due(0ms);
    moment now{0};
    while (!plan.rejoin_due(now))
      now += 1ms;
    seconds.push_back(now);
  }
  std::sort(seconds.begin(), seconds.end());
  BOOST_TEST((seconds.back() - seconds.front() > 100ms));
  BOOST_TEST((seconds.front() >= 400ms && seconds.back() <= 600ms));
}

BOOST_AUTO_TEST_CASE(addresses_come_latest_first_once_and_not_without_end) {
  known_addresses known;
  known.add("");
  BOOST_TEST(known.all().empty());
  for (int i = 0; i < 100; ++i)
    known.add("host" + std::to_string(i));
  BOOST_TEST(known.all().size() == known_addresses::addresses_max);
  known.add("host50");
  BOOST_TEST(known.all().size() == known_addresses::addresses_max);
  BOOST_TEST(known.all()[0] == "host50");
  BOOST_TEST(known.all()[1] == "host99");
}
