#include "actors/simulation/mission_plan.hpp"

#include <boost/test/unit_test.hpp>

namespace {

using namespace swarm::simulation;

/// Two stages of ten peers: 0.1 s per forward, 1 MB per boundary, 100 MB per gradient.
mission_shape small() {
  mission_shape s;
  s.stages = 2;
  s.peers_per_stage = 10;
  s.trainers = 2;
  s.microbatches = 100;
  s.forward_s = 0.1;
  s.activation_bytes = 1e6;
  s.gradient_bytes = 100e6;
  s.state_bytes = 300e6;
  s.worker_line = 10e6;
  s.trainer_line = 100e6;
  return s;
}

constexpr double nearly = 1e-6;

}  // namespace

BOOST_AUTO_TEST_CASE(a_step_takes_its_longest_resource_and_the_all_reduce) {
  const auto plan = plan_of(small());
  BOOST_TEST(plan.useful_share == 1);
  BOOST_TEST(plan.step.compute_s == 3.0, boost::test_tools::tolerance(nearly));
  BOOST_TEST(plan.step.worker_line_s == 1.0, boost::test_tools::tolerance(nearly));
  BOOST_TEST(plan.step.trainer_line_s == 1.0, boost::test_tools::tolerance(nearly));
  BOOST_TEST(plan.step.pass_s == 18.0, boost::test_tools::tolerance(nearly));
  BOOST_TEST(plan.step_s == 3 + plan.step.fill_s + 18, boost::test_tools::tolerance(nearly));
  // 2 x 2 hops of each microbatch, and nine tenths of the gradient twice from everybody.
  BOOST_TEST(planned_bytes(small(), plan, 1, 0) == 100 * 4e6 + 2 * 2 * 9 * 100e6,
             boost::test_tools::tolerance(nearly));
}

BOOST_AUTO_TEST_CASE(an_all_reduce_takes_what_the_slowest_line_takes_for_one_vector) {
  auto shape = small();
  shape.slowest_line = 8e6;
  BOOST_TEST(plan_of(shape).step.pass_s == 18.0, boost::test_tools::tolerance(nearly));
  shape.slowest_line = 4e6;
  BOOST_TEST(plan_of(shape).step.pass_s == 25.0, boost::test_tools::tolerance(nearly));
}

BOOST_AUTO_TEST_CASE(deaths_cost_joining_and_work_and_bytes) {
  auto shape = small();
  shape.mean_life_s = 1000;
  shape.absent_s = 10;
  const auto plan = plan_of(shape);
  const double step_s = plan.step_s;
  BOOST_TEST(plan.join_s == 300e6 / (10e6 - 100e6 / step_s), boost::test_tools::tolerance(1e-3));
  BOOST_TEST(plan.useful_share == (1000 - plan.join_s - step_s / 2) / 1010,
             boost::test_tools::tolerance(1e-3));
  BOOST_TEST(plan.useful_share < 1);
  BOOST_TEST(plan.step_s > plan_of(small()).step_s - 2);
  const double death = planned_bytes(shape, plan, 1, 1) - planned_bytes(shape, plan, 1, 0);
  BOOST_TEST(death > shape.state_bytes);
  BOOST_TEST(death < shape.state_bytes + 15 * shape.gradient_bytes);
}

BOOST_AUTO_TEST_CASE(who_cannot_follow_never_gets_in) {
  auto shape = small();
  shape.mean_life_s = 1000;
  shape.gradient_bytes = 1e6;
  shape.state_bytes = 300e9;
  BOOST_TEST(plan_of(shape).useful_share < 1e-3);
}

BOOST_AUTO_TEST_CASE(a_scenario_says_what_its_swarm_is) {
  scenario what;
  what.stages = {4, 4};
  what.size.parameters = {250e6, 250e6};
  what.workers.up_mbit_per_s = {200, 200};
  what.workers.tera_flop_per_s = {5, 5};
  const auto shape = shape_of(what);
  BOOST_TEST(shape.gradient_bytes == 1e9);
  BOOST_TEST(shape.state_bytes == 3e9);
  BOOST_TEST(shape.activation_bytes == 512 * 2048 * 4.0);
  BOOST_TEST(shape.forward_s == 0.0512, boost::test_tools::tolerance(nearly));
  BOOST_TEST(shape.worker_line == 25e6);
  // No line of their own, and no limit for all.
  BOOST_TEST(shape.trainer_line > 1e12);
}
