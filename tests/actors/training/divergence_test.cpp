#include "actors/training/divergence.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace swarm;
using training::divergence;

namespace {

constexpr double no_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinite = std::numeric_limits<double>::infinity();
const double uniform = std::log(256.0);

divergence::observation seen(int64_t step, double loss, double norm = 1) {
  divergence::observation o;
  o.step = step_id{step};
  o.microbatches = o.counted = 8;
  o.loss = loss;
  o.gradient_norm = norm;
  return o;
}

divergence::observation dropped(int64_t step, int64_t counted) {
  auto o = seen(step, 3);
  o.counted = counted;
  if (counted == 0) o.loss.reset();
  return o;
}

/// The step at which it is found out, -1 if it is not.
int64_t found_at(int64_t steps, const std::function<double(int64_t)>& loss,
                 double uniform_loss = uniform) {
  divergence watch{uniform_loss};
  for (int64_t i = 0; i < steps; ++i)
    if (watch.observe(seen(i, loss(i)))) return i;
  return -1;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Falls from that of a guess to `floor`.
double falling(int64_t step, double floor) {
  return floor + (uniform - floor) * std::exp(-static_cast<double>(step) / 60);
}

}  // namespace

BOOST_AUTO_TEST_CASE(three_steps_in_a_row_of_which_nothing_counts_end_the_run) {
  divergence watch{uniform};
  for (int64_t i = 0; i < 10; ++i)
    BOOST_TEST(!watch.observe(seen(i, 5)));
  BOOST_TEST(!watch.observe(dropped(10, 0)));
  BOOST_TEST(watch.suspects());
  BOOST_TEST(!watch.observe(dropped(11, 0)));
  BOOST_TEST(watch.observe(dropped(12, 0)));
  BOOST_TEST(contains(watch.sentence(), "diverged at step 10"), watch.sentence());
  BOOST_TEST(contains(watch.sentence(), "step 9 was the last good one"), watch.sentence());
  BOOST_TEST(contains(watch.sentence(), "lower --lr"), watch.sentence());
  BOOST_TEST(!contains(watch.sentence(), "0.0000"), watch.sentence());
}

BOOST_AUTO_TEST_CASE(what_is_not_finite_ends_it_whatever_it_is) {
  const std::vector<std::pair<double, double>> cases{
      {no_number, 1}, {infinite, 1}, {3, no_number}, {3, infinite}};
  for (const auto& [loss, norm] : cases) {
    divergence watch;
    BOOST_TEST(!watch.observe(seen(0, loss, norm)));
    BOOST_TEST(!watch.observe(seen(1, loss, norm)));
    BOOST_TEST(watch.observe(seen(2, loss, norm)));
    BOOST_TEST(contains(watch.sentence(), "no step was good"), watch.sentence());
  }
}

BOOST_AUTO_TEST_CASE(an_ordinary_step_between_makes_it_begin_anew) {
  divergence watch{uniform};
  for (int64_t i = 0; i < 3'000; i += 3) {
    BOOST_TEST(!watch.observe(dropped(i, 0)));
    BOOST_TEST(!watch.observe(dropped(i + 1, 0)));
    BOOST_TEST(!watch.observe(seen(i + 2, 4)));
    BOOST_TEST(!watch.suspects());
  }
}

BOOST_AUTO_TEST_CASE(a_few_dropped_microbatches_are_no_divergence_most_of_them_are) {
  divergence few{uniform};
  for (int64_t i = 0; i < 1'000; ++i)
    BOOST_REQUIRE(!few.observe(dropped(i, 4)));
  divergence most{uniform};
  int64_t at = 0;
  while (!most.observe(dropped(at, 3)))
    ++at;
  BOOST_TEST(at == 9);
}

BOOST_AUTO_TEST_CASE(a_run_that_blows_up_is_found_out_soon_after) {
  // As quickstart --lr=10 --warmup=0 does: hundreds of nats from the second step on.
  BOOST_TEST(found_at(1'000, [](int64_t i) { return i == 0 ? uniform : 340.0; }) == 10);
  // And what creeps away from a low loss, later.
  const auto creeps = [](int64_t i) { return i < 500 ? falling(i, 2) : 8.0; };
  BOOST_TEST(found_at(5'000, creeps) == 599);
}

BOOST_AUTO_TEST_CASE(a_trainer_without_a_history_knows_what_a_guess_costs) {
  BOOST_TEST(found_at(1'000, [](int64_t) { return 400.0; }) == 9);
  // Not knowing even that it believes what it sees.
  BOOST_TEST(found_at(
                 1'000, [](int64_t) { return 400.0; }, 0) == -1);
}

BOOST_AUTO_TEST_CASE(a_spike_that_recovers_is_no_divergence) {
  for (const double height : {6.0, 30.0}) {
    const auto spike = [height](int64_t i) {
      const auto base = falling(i, 2);
      return i >= 400 ? base + height * std::exp(-static_cast<double>(i - 400) / 30) : base;
    };
    BOOST_TEST(found_at(3'000, spike) == -1, "height " << height);
  }
}

BOOST_AUTO_TEST_CASE(ordinary_curves_are_left_alone) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    std::mt19937_64 random{seed};
    std::normal_distribution<double> noise{0, 1};
    // Noisy microbatches, to a plateau; and memorised data, whose loss falls to nothing.
    BOOST_TEST(found_at(5'000, [&](int64_t i) { return falling(i, 2.5) + 0.5 * noise(random); }) ==
               -1);
    const auto memorised = [&](int64_t i) {
      return falling(i, 0) * std::exp(0.8 * noise(random)) + (i % 97 == 0 ? 0.9 : 0);
    };
    BOOST_TEST(found_at(5'000, memorised) == -1);
    // A bad initialisation, and a vocabulary that is guessed.
    BOOST_TEST(found_at(
                   2'000, [&](int64_t i) { return 11 + falling(i, 3) + noise(random); }, 0) == -1);
  }
}

BOOST_AUTO_TEST_CASE(norms_that_jump_are_left_alone_norms_that_stay_a_thousandfold_are_not) {
  divergence watch{uniform};
  for (int64_t i = 0; i < 1'000; ++i)
    BOOST_REQUIRE(!watch.observe(seen(i, 3, i % 10 == 0 ? 5'000 : 0.5)));
  divergence quiet{uniform};
  int64_t at = 0;
  while (!quiet.observe(seen(at, 3, at < 100 ? 0.01 : 1'001)))
    ++at;
  BOOST_TEST(at == 199);
  BOOST_TEST(contains(quiet.sentence(), "the gradient's norm is 1001"), quiet.sentence());
}

BOOST_AUTO_TEST_CASE(a_step_whose_loss_nobody_knows_is_neither) {
  divergence watch{uniform};
  auto unknown = seen(0, 0);
  unknown.loss.reset();
  for (int64_t i = 0; i < 500; ++i)
    BOOST_REQUIRE(!watch.observe(unknown));
  BOOST_TEST(!watch.suspects());
}

BOOST_AUTO_TEST_CASE(what_has_diverged_stays_so) {
  divergence watch;
  for (int64_t i = 0; i < 3; ++i)
    watch.observe_broken(step_id{i});
  BOOST_TEST(watch.diverged());
  BOOST_TEST(watch.observe(seen(3, 2)));
}
