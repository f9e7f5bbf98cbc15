#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <random>

#include "tensors/engine/thread_layout.hpp"
#include "tests/tensors/engine/training_fixture.hpp"

using namespace swarm::tensors;
using namespace swarm::tensors::testing;

namespace {

constexpr int64_t rows = 2;

struct one_thread {
  one_thread() { configure_thread(1); }
};

engine_config tiny(numeric_mode mode, int64_t microbatches) {
  engine_config config;
  config.model = tiny_model();
  config.mode = mode;
  config.microbatches_per_step = microbatches;
  config.optimizer.warmup_steps = 0;
  return config;
}

host_tensor added(const host_tensor& a, const host_tensor& b) {
  std::vector<int64_t> sum(a.as<int64_t>(), a.as<int64_t>() + a.elements());
  for (int64_t i = 0; i < b.elements(); ++i)
    sum[i] += b.as<int64_t>()[i];
  return host_tensor::adopt(std::move(sum), a.shape());
}

}  // namespace

BOOST_TEST_GLOBAL_FIXTURE(one_thread);

BOOST_AUTO_TEST_CASE(reproducible_sums_ignore_order_and_grouping) {
  constexpr int64_t count = 6;
  const auto config = tiny(numeric_mode::reproducible, count);
  const auto batch = [&](int64_t i) { return microbatch(config.model, rows, 0, i); };
  pipeline in_order(config, 2);
  for (int64_t i = 0; i < count; ++i)
    in_order.run({0, i}, batch(i));
  std::mt19937 random(1);
  for (int round = 0; round < 4; ++round) {
    std::vector<int64_t> order = {0, 1, 2, 3, 4, 5};
    std::shuffle(order.begin(), order.end(), random);
    pipeline left(config, 2);
    pipeline right(config, 2);
    for (const int64_t i : order)
      (random() % 2 ? left : right).run({0, i}, batch(i));
    for (size_t s = 0; s < 2; ++s) {
      const auto grouped = added(left.sums()[s], right.sums()[s]);
      BOOST_TEST(same_bytes(grouped, in_order.sums()[s]));
    }
  }
}

BOOST_AUTO_TEST_CASE(taking_a_microbatch_away_restores_the_bits) {
  const auto config = tiny(numeric_mode::reproducible, 3);
  pipeline stages(config, 3);
  stages.run({0, 0}, microbatch(config.model, rows, 0, 0));
  std::vector<std::string> before;
  for (const auto& sum : stages.sums())
    before.push_back(weights_hash(sum));
  stages.run({0, 1}, microbatch(config.model, rows, 0, 1), 1);
  for (size_t s = 0; s < 3; ++s)
    BOOST_TEST(weights_hash(stages.sums()[s]) != before[s]);
  stages.run({0, 1}, microbatch(config.model, rows, 0, 1), -1);
  for (size_t s = 0; s < 3; ++s)
    BOOST_TEST(weights_hash(stages.sums()[s]) == before[s]);
}

BOOST_AUTO_TEST_CASE(a_view_of_the_sum_stays_constant) {
  for (const auto mode : {numeric_mode::floating, numeric_mode::reproducible}) {
    const auto config = tiny(mode, 2);
    pipeline model(config, 1);
    const auto zero = model.sums()[0];
    const auto zero_hash = weights_hash(zero);
    model.run({0, 0}, microbatch(config.model, rows, 0, 0));
    const auto one = model.sums()[0];
    const auto one_hash = weights_hash(one);
    model.run({0, 1}, microbatch(config.model, rows, 0, 1));
    BOOST_TEST(weights_hash(zero) == zero_hash);
    BOOST_TEST(weights_hash(one) == one_hash);
    BOOST_TEST(weights_hash(model.sums()[0]) != one_hash);
    model.engines[0]->clear_gradient();
    BOOST_TEST(weights_hash(model.sums()[0]) == zero_hash);
    BOOST_TEST(weights_hash(one) == one_hash);
  }
}

BOOST_AUTO_TEST_CASE(the_sum_is_aliased_not_copied) {
  pipeline model(tiny(numeric_mode::floating, 1), 1);
  model.run({0, 0}, microbatch(tiny_model(), rows, 0, 0));
  BOOST_TEST(model.sums()[0].data() == model.sums()[0].data());
}

BOOST_AUTO_TEST_CASE(a_reduced_gradient_outlives_the_next_steps_microbatches) {
  const auto config = tiny(numeric_mode::floating, 1);
  pipeline plain(config, 1);
  plain.run({0, 0}, microbatch(config.model, rows, 0, 0));
  plain.apply(0, plain.sums());
  pipeline delayed(config, 1);
  auto& engine = *delayed.engines[0];
  delayed.run({0, 0}, microbatch(config.model, rows, 0, 0));
  const double norm = engine.set_reduced(engine.gradient_sum());
  engine.clear_gradient();
  delayed.run({1, 0}, microbatch(config.model, rows, 1, 0));
  engine.apply(0, clip_factor(config.optimizer, norm));
  BOOST_TEST(engine.weights_hash() == plain.engines[0]->weights_hash());
}

BOOST_AUTO_TEST_CASE(both_modes_stand_for_the_same_gradient) {
  pipeline floating(tiny(numeric_mode::floating, 2), 1);
  pipeline fixed(tiny(numeric_mode::reproducible, 2), 1);
  for (auto* model : {&floating, &fixed}) {
    for (int64_t i = 0; i < 2; ++i)
      model->run({0, i}, microbatch(tiny_model(), rows, 0, i));
  }
  const double a = floating.engines[0]->set_reduced(floating.sums()[0]);
  const double b = fixed.engines[0]->set_reduced(fixed.sums()[0]);
  BOOST_TEST(a == b, boost::test_tools::tolerance(1e-6));
  BOOST_TEST((fixed.sums()[0].type() == dtype::i64));
}
