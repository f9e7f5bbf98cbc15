#include "tools/processes/process_table.hpp"

#include <boost/test/unit_test.hpp>
#include <set>
#include <string>

using namespace swarm;
using namespace std::chrono_literals;
using tools::process_table;

namespace {

std::vector<tools::process_spec> three() {
  std::vector<tools::process_spec> result;
  for (const char* name : {"a", "b", "c"}) {
    tools::process_spec spec;
    spec.name = name;
    result.push_back(std::move(spec));
  }
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(all_are_started_once_at_the_beginning) {
  process_table table{three(), {}};
  const auto first = table.due(0ms);
  BOOST_TEST(first.size() == 3U);
  for (const auto& a : first)
    BOOST_TEST(a.first);
  BOOST_TEST(table.due(0ms).empty());
  BOOST_TEST(table.running() == 3U);
}

BOOST_AUTO_TEST_CASE(one_that_ended_is_started_again_after_a_while) {
  process_table table{three(), {}};
  table.due(0ms);
  table.ended(1, 1s, process_table::ending::killed);
  BOOST_TEST(table.due(5'999ms).empty());
  const auto again = table.due(6s);
  BOOST_REQUIRE(again.size() == 1U);
  BOOST_TEST(again[0].process == 1U);
  BOOST_TEST(!again[0].first);
  BOOST_TEST(table.lives(1) == 2U);
}

BOOST_AUTO_TEST_CASE(one_that_is_not_kept_stays_down) {
  auto specs = three();
  specs[0].keep = false;
  process_table table{specs, {}};
  table.due(0ms);
  table.ended(0, 1s, process_table::ending::killed);
  BOOST_TEST(table.due(1h).empty());
}

BOOST_AUTO_TEST_CASE(everybody_is_killed_sooner_or_later_one_at_a_time) {
  tools::process_table_options options;
  options.kill_every = 10s;
  process_table table{three(), options};
  std::set<size_t> victims;
  int kills = 0;
  for (auto now = 0ms; now < 200s; now += 100ms) {
    for (const auto& a : table.due(now)) {
      if (a.what != process_table::act::kill) continue;
      ++kills;
      victims.insert(a.process);
      table.ended(a.process, now, process_table::ending::killed);
      BOOST_TEST(table.running() == 2U);
    }
  }
  BOOST_TEST(kills == 19);
  BOOST_TEST(victims.size() == 3U);
}

BOOST_AUTO_TEST_CASE(one_that_fails_at_once_again_and_again_is_given_up) {
  process_table table{three(), {}};
  auto now = 0ms;
  for (int i = 0; i < 5; ++i) {
    BOOST_TEST(!table.given_up());
    table.due(now);
    table.ended(2, now + 100ms, process_table::ending::failed);
    now += 6s;
  }
  BOOST_REQUIRE(table.given_up());
  BOOST_TEST(*table.given_up() == 2U);
  BOOST_TEST(table.due(1h).empty());
}

BOOST_AUTO_TEST_CASE(nothing_is_started_after_a_stop) {
  process_table table{three(), {}};
  table.due(0ms);
  table.ended(0, 0ms, process_table::ending::killed);
  table.stop();
  BOOST_TEST(table.due(1h).empty());
}

BOOST_AUTO_TEST_CASE(one_that_has_finished_is_left_alone) {
  process_table table{three(), {}};
  table.due(0ms);
  table.ended(0, 1s, process_table::ending::finished);
  BOOST_TEST(table.is_over(0));
  BOOST_TEST(table.due(1h).empty());
}

BOOST_AUTO_TEST_CASE(nobody_is_killed_before_it_is_armed) {
  tools::process_table_options options;
  options.kill_every = 1s;
  options.armed = false;
  process_table table{three(), options};
  table.due(0ms);
  BOOST_TEST(table.due(100s).empty());
  table.arm(100s);
  BOOST_TEST(table.due(100'999ms).empty());
  BOOST_TEST(table.due(101s).size() == 1U);
}

BOOST_AUTO_TEST_CASE(one_that_has_left_comes_back) {
  process_table table{three(), {}};
  table.due(0ms);
  table.ended(0, 1s, process_table::ending::left);
  BOOST_TEST(!table.is_over(0));
  BOOST_TEST(table.due(6s).size() == 1U);
}

BOOST_AUTO_TEST_CASE(one_that_is_not_needed_does_not_end_the_others) {
  auto specs = three();
  specs[2].needed = false;
  process_table table{specs, {}};
  auto now = 0ms;
  for (int i = 0; i < 5; ++i) {
    table.due(now);
    table.ended(2, now + 100ms, process_table::ending::failed);
    now += 6s;
  }
  BOOST_TEST(table.is_given_up(2));
  BOOST_TEST(table.is_over(2));
  BOOST_TEST(!table.given_up());
}

BOOST_AUTO_TEST_CASE(one_that_says_that_it_is_hopeless_is_given_up_at_once) {
  process_table table{three(), {}};
  table.due(0ms);
  table.ended(1, 1h, process_table::ending::hopeless);
  BOOST_TEST(table.is_given_up(1));
  BOOST_TEST(table.is_over(1));
  BOOST_TEST(table.due(2h).empty());
}
