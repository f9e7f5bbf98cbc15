#include "actors/simulation/shared_line.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/random.hpp"

namespace {

using namespace swarm;
using namespace swarm::simulation;
using namespace std::chrono_literals;

constexpr host_id a{1};
constexpr host_id b{2};
constexpr double rate = 1'000;

moment bulk(shared_line& line, host_id to, moment now, uint64_t bytes) {
  return line.carry(to, false, now, bytes, rate);
}

moment control(shared_line& line, moment now, uint64_t bytes) {
  return line.carry(a, true, now, bytes, rate);
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_flow_has_the_line_for_itself_and_keeps_its_order) {
  shared_line line;
  BOOST_TEST((bulk(line, a, 0s, 1'000) == 1s));
  BOOST_TEST((bulk(line, a, 0s, 500) == 1500ms));
  BOOST_TEST((bulk(line, a, 10s, 500) == 10'500ms));
  BOOST_TEST(line.flows() == 1U);
}

BOOST_AUTO_TEST_CASE(a_short_message_shares_the_line_with_a_long_flow) {
  shared_line line;
  BOOST_TEST((bulk(line, a, 0s, 100'000) == 100s));
  // Half of the line each.
  BOOST_TEST((bulk(line, b, 10s, 1'000) == 12s));
  // The long flow has lost what the short one took.
  BOOST_TEST((bulk(line, a, 50s, 1'000) == 102s));
}

BOOST_AUTO_TEST_CASE(control_goes_first_and_takes_its_time_from_the_flows) {
  shared_line line;
  bulk(line, a, 0s, 10'000);
  BOOST_TEST((control(line, 1s, 100) == 1100ms));
  BOOST_TEST((control(line, 1s, 100) == 1200ms));
  BOOST_TEST((bulk(line, a, 1s, 1'000) == 11'200ms));
  BOOST_TEST((control(line, 30s, 100) == 30'100ms));
}

BOOST_AUTO_TEST_CASE(what_was_queued_for_a_broken_connection_is_not_sent) {
  shared_line line;
  bulk(line, a, 0s, 100'000);
  bulk(line, b, 0s, 1'000);
  line.forget(a);
  BOOST_TEST((bulk(line, b, 0s, 1'000) == 2s));
}

BOOST_AUTO_TEST_CASE(no_limit_takes_no_time) {
  shared_line line;
  BOOST_TEST((line.carry(a, false, 3s, 1'000'000, 0) == 3s));
}

BOOST_AUTO_TEST_CASE(a_busy_line_carries_all_of_it_and_no_more) {
  splitmix64 random{7};
  for (int round = 0; round < 50; ++round) {
    shared_line line;
    moment now{0};
    moment last{0};
    double total = 0;
    for (int i = 0; i < 200; ++i) {
      // Never idle: 2,000 bytes every second at most half a second apart.
      const auto bytes = 1'000 + random.below(2'000);
      total += static_cast<double>(bytes);
      const bool is_control = random.below(10) == 0;
      last = std::max(last, line.carry(host_id{static_cast<uint32_t>(1 + random.below(9))},
                                       is_control, now, bytes, rate));
      now += moment{static_cast<int64_t>(random.below(500'000'000))};
    }
    // The last one to be through leaves when everything has been carried.
    const auto at_the_end = line.carry(host_id{99}, false, now, 1'000'000'000, rate);
    const double seconds = std::chrono::duration<double>(at_the_end).count();
    BOOST_TEST(seconds == (total + 1e9) / rate, boost::test_tools::tolerance(1e-9));
    BOOST_TEST((last <= at_the_end));
  }
}
