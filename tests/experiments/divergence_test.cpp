// A run that has diverged ends, says so and what to try, whichever program trains.

#include <boost/test/unit_test.hpp>
#include <string>

#include "tests/experiments/programs.hpp"

using namespace swarm;
using programs::contains;
using programs::outcome;
using programs::words;

namespace {

enum program { baseline = 1, quickstart, the_swarm };

/// Weights move by ten at every step.
const words flags{"--data=text.txt", "--layers=2", "--width=32",       "--heads=2",
                  "--context=16",    "--rows=2",   "--steps=2000",     "--stages=2",
                  "--workers=1",     "--lr=10",    "--microbatches=2", "--warmup=0"};

words with(const words& more) {
  auto result = flags;
  result.insert(result.end(), more.begin(), more.end());
  return result;
}

void check(const outcome& ran, const std::string& told) {
  BOOST_TEST(ran.exit_code == 1, ran.output + ran.errors);
  for (const char* part : {"diverged at step ", "was the last good one", "try a lower --lr"})
    BOOST_TEST(contains(told, part), told << " does not say " << part);
  for (const char* never : {"loss 0.0000", "finished", "No worker", "step  1999"})
    BOOST_TEST(!contains(ran.output + ran.errors, never), ran.output + ran.errors);
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_process) {
  const auto ran = programs::place{}.run(baseline, with({"--out=", "--threads=1"}));
  check(ran, ran.errors);
}

BOOST_AUTO_TEST_CASE(an_embedded_swarm_does_not_blame_its_workers) {
  const auto ran = programs::place{}.run(quickstart, with({"--out=", "--kills=0"}));
  check(ran, ran.errors);
  BOOST_TEST(!contains(ran.errors, "worker"), ran.errors);
}

BOOST_AUTO_TEST_CASE(processes_all_end) {
  auto all = with({"--dir=run", "--trainers=2"});
  all.insert(all.begin(), "up");
  const auto ran = programs::place{}.run(the_swarm, all);
  check(ran, ran.output);
  BOOST_TEST(contains(ran.errors, "swarm up: the run has diverged"), ran.errors);
}

BOOST_AUTO_TEST_CASE(what_is_not_finite_is_no_loss) {
  // Without clipping and decay the weights leave what a float can hold.
  const auto ran = programs::place{}.run(
      quickstart, with({"--out=", "--kills=0", "--clip=0", "--weight-decay=0"}));
  check(ran, ran.errors);
}
