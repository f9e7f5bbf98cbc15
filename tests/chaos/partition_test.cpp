#include <boost/test/unit_test.hpp>

#include "tests/chaos/hosts.hpp"
#include "tests/chaos/rig.hpp"

// Links between machines fall silent and come back, and the weights are those of a single process.

using namespace swarm;
using namespace std::chrono_literals;

namespace {

/// Two machines. Each has one of everything that a run needs; or the second has only one trainer.
size_t host_of(size_t process, bool whole) {
  if (whole) return process % 2;
  return process == 1 ? 1 : 0;
}

chaos::rig::shape on_two_hosts(const chaos::hosts& machines, bool whole) {
  chaos::rig::shape shape;
  shape.steps = 600;
  shape.address = [whole](size_t process) {
    return chaos::hosts::address(host_of(process, whole));
  };
  shape.prefix = [&machines, whole](size_t process) {
    return machines.prefix(host_of(process, whole));
  };
  return shape;
}

}  // namespace

BOOST_AUTO_TEST_CASE(both_halves_of_a_partition_train_and_agree_when_it_heals) {
  chaos::hosts machines;
  if (!machines.open_or_skip(2)) return;
  chaos::rig run{"halves", on_two_hosts(machines, true)};
  run.begin();
  BOOST_REQUIRE_MESSAGE(run.until_full(), run.all().story());
  const auto first = run.leader();
  const auto second = run.trainer(first == run.trainer(0) ? 1 : 0);
  machines.cut(1);
  BOOST_TEST(run.all().until_said(second, "leads"), run.all().story());
  const auto step = run.step();
  BOOST_TEST(run.until_step(step + 10), run.all().story());
  machines.mend(1);
  run.finish();
}

BOOST_AUTO_TEST_CASE(a_trainer_that_is_cut_off_finishes_with_the_others) {
  chaos::hosts machines;
  if (!machines.open_or_skip(2)) return;
  chaos::rig run{"cut-off", on_two_hosts(machines, false)};
  run.begin();
  BOOST_REQUIRE_MESSAGE(run.until_full(), run.all().story());
  const auto step = run.step();
  machines.cut(1);
  run.all().until([] { return false; }, 2 * chaos::silence_timeout);
  BOOST_TEST(run.until_step(step + 10), run.all().story());
  machines.mend(1);
  run.finish();
}
