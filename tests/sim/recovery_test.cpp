#include <boost/test/unit_test.hpp>
#include <vector>

#include "tests/sim/recovery.hpp"

// A small version of the program `recovery`.

namespace {

using namespace swarm::campaign;

constexpr uint64_t deaths = 60;

std::vector<recovery_record> measure(int64_t trainers, double saved_bytes) {
  std::vector<recovery_record> result;
  for (uint64_t seed = 1; seed <= deaths; ++seed)
    result.push_back(measure_recovery({seed, trainers, saved_bytes}));
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_death_costs_what_the_dead_worker_held_and_nothing_at_other_stages) {
  for (const int64_t trainers : {1, 2, 3}) {
    uint64_t killed = 0;
    uint64_t held = 0;
    uint64_t again = 0;
    uint64_t beyond = 0;
    uint64_t forwards_elsewhere = 0;
    for (const auto& r : measure(trainers, 1e6)) {
      BOOST_TEST_CONTEXT(trainers << " trainers, seed " << r.run.result.seed) {
        BOOST_TEST(r.run.findings.empty());
        BOOST_TEST(r.gradients_elsewhere == 0U);
      }
      beyond += r.bounded_there() ? 0 : 1;
      forwards_elsewhere += r.forwards_elsewhere;
      killed += r.killed ? 1 : 0;
      held += r.held;
      again += r.gradients_there;
    }
    // Most deaths are in the middle of a step, and what is lost there is really computed again.
    BOOST_TEST(killed > deaths / 2);
    BOOST_TEST(held > deaths);
    BOOST_TEST(again > held / 2);
    BOOST_TEST(beyond == 0U);
    BOOST_TEST(forwards_elsewhere == 0U);
  }
}

BOOST_AUTO_TEST_CASE(without_saved_inputs_other_stages_do_work_again) {
  uint64_t elsewhere = 0;
  for (const auto& r : measure(1, 0)) {
    BOOST_TEST(r.bounded_there(), "seed " << r.run.result.seed);
    BOOST_TEST(r.bounded_elsewhere(false), "seed " << r.run.result.seed);
    elsewhere += r.gradients_elsewhere + r.forwards_elsewhere;
  }
  BOOST_TEST(elsewhere > deaths);
}
