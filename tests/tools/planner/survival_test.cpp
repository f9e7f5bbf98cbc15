#include "tools/planner/survival.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>

#include "actors/random.hpp"

namespace {

using namespace swarm;
using namespace swarm::planner;
using boost::test_tools::tolerance;

peer_kind kind(double availability, double hours) {
  peer_kind result;
  result.name = "k";
  result.count = 4;
  result.flop_per_s = 1e9;
  result.memory_bytes = 1e9;
  result.availability = availability;
  result.hours_between_preemptions = hours;
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_peer_leaves_its_stage_empty_at_its_own_rate) {
  // Up 9 hours, away 1: a cycle of 10 hours.
  const auto one = emptiness_of({kind(0.9, 9)}, {1});
  BOOST_TEST(one.share == 0.1, tolerance(1e-9));
  BOOST_TEST(one.per_hour == 0.1, tolerance(1e-9));
  BOOST_TEST(one.probability(5) == 1 - std::exp(-0.5), tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(somebody_who_never_leaves_keeps_a_stage) {
  const fleet peers{kind(0.5, 1), kind(1, 0)};
  BOOST_TEST(emptiness_of(peers, {3, 1}).per_hour == 0);
  BOOST_TEST(emptiness_of(peers, {3, 0}).per_hour > 0);
}

BOOST_AUTO_TEST_CASE(every_further_peer_makes_emptiness_rarer) {
  const fleet peers{kind(0.8, 4)};
  double before = 1e9;
  for (int64_t n = 1; n < 12; ++n) {
    const double now = emptiness_of(peers, {n}).per_hour;
    BOOST_TEST(now < before);
    before = now;
  }
}

BOOST_AUTO_TEST_CASE(the_formula_agrees_with_a_simulated_renewal_process) {
  // Three peers, exponential times: count how often all are away.
  const double up = 2;
  const double away = 0.5;
  splitmix64 random{11};
  const auto draw = [&](double mean) { return -mean * std::log(1 - random.unit()); };
  const int n = 3;
  std::vector<bool> there(n, true);
  std::vector<double> next(n);
  for (auto& t : next)
    t = draw(up);
  int gone = 0;
  int empties = 0;
  double now = 0;
  const double hours = 60'000;
  while (now < hours) {
    const auto who = static_cast<size_t>(std::min_element(next.begin(), next.end()) - next.begin());
    now = next[who];
    gone += there[who] ? 1 : -1;
    there[who] = !there[who];
    if (!there[who] && gone == n) ++empties;
    next[who] = now + draw(there[who] ? up : away);
  }
  const auto predicted = emptiness_of({kind(up / (up + away), up)}, {n});
  BOOST_TEST(empties / hours == predicted.per_hour, tolerance(0.1));
}

BOOST_AUTO_TEST_CASE(the_expected_rate_lies_between_nothing_and_everything) {
  workload work;
  const auto loads = loads_of(work, 2);
  const placement where{{4}, {4}};
  BOOST_TEST(expected_share({kind(1, 0)}, loads, where, 100, 1) == 1);
  const double share = expected_share({kind(0.75, 3)}, loads, where, 4'000, 1);
  // The mean of the smaller of two is less than the mean of each.
  BOOST_TEST(share < 0.75);
  BOOST_TEST(share > 0.4);
}
