#include <boost/test/unit_test.hpp>

#include "actors/simulation/swarm_run.hpp"

// Hosts as the caller wants them.

namespace {

using namespace swarm;
using namespace swarm::simulation;
using namespace std::chrono_literals;

host_shape worker(int32_t stage, moment forward) {
  return {stage, forward, 1ms, {1ms, 0, 0}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_run_has_the_hosts_it_was_given) {
  scenario plain;
  plain.microbatches = {16, 16};
  plain.in_flight = {8, 8};
  plain.fault_s = {20, 20};
  run_options options;
  // One worker alone; a fast one beside a slow one; two trainers.
  options.hosts = {worker(0, 5ms), worker(1, 5ms), worker(1, 20ms), {}, {}};
  std::map<size_t, int> losses;
  options.observe = [&](const observed_work& seen) {
    BOOST_TEST(seen.stage == (seen.member == 0 ? 0 : 1));
    if (seen.event.kind == engine_event::what::loss) ++losses[seen.member];
  };
  const auto result = simulate(plain, 1, {{"modelled", &make_modelled}}, options);
  BOOST_TEST(result.violations.empty());
  BOOST_TEST(result.hosts == 5U);
  BOOST_TEST(result.version > 10);
  BOOST_TEST(losses[1] > 2 * losses[2]);
  BOOST_TEST(losses[2] > 0);
}

BOOST_AUTO_TEST_CASE(tensors_have_the_given_size) {
  // Over a line of 1 MB/s, wide tensors take longer than narrow ones.
  scenario plain;
  plain.fault_s = {20, 20};
  run_options options;
  options.hosts = {worker(0, 1ms), worker(1, 1ms), {}};
  options.hosts[0].line.up_bytes_per_s = 1e6;
  const auto steps = [&](int64_t width) {
    modelled_options shape;
    shape.rows = 1;
    shape.context = 16;
    shape.width = width;
    const auto make = [shape](const run_size& size) { return make_modelled_of(size, shape); };
    return simulate(plain, 1, {{"modelled", make}}, options).version;
  };
  BOOST_TEST(steps(16) > 2 * steps(1024));
}
