#include <boost/test/unit_test.hpp>
#include <cmath>

#include "tensors/engine/reference_trainer.hpp"
#include "tensors/engine/thread_layout.hpp"
#include "tests/tensors/engine/training_fixture.hpp"

using namespace swarm::tensors;
using namespace swarm::tensors::testing;

namespace {

constexpr int64_t rows = 2;
constexpr int64_t microbatches = 3;

struct one_thread {
  one_thread() { configure_thread(1); }
};

engine_config tiny(numeric_mode mode, bool bias) {
  engine_config config;
  config.model = tiny_model();
  config.model.bias = bias;
  config.span = whole_model(config.model);
  config.mode = mode;
  config.microbatches_per_step = microbatches;
  config.optimizer.warmup_steps = 5;
  config.optimizer.decay_steps = 30;
  config.seed = 17;
  return config;
}

reference_trainer reference_of(const engine_config& config, int64_t batch_rows = rows) {
  return reference_trainer(config, [model = config.model, batch_rows](int64_t step, int64_t i) {
    return microbatch(model, batch_rows, step, i);
  });
}

double train_step(pipeline& model, const engine_config& config, int64_t step) {
  double loss = 0;
  for (int64_t i = 0; i < microbatches; ++i) {
    loss += model.run({step, i}, microbatch(config.model, rows, step, i)) / microbatches;
  }
  model.apply(step, model.sums());
  return loss;
}

}  // namespace

BOOST_TEST_GLOBAL_FIXTURE(one_thread);

BOOST_AUTO_TEST_CASE(every_partition_yields_the_same_loss_and_gradients_bit_for_bit) {
  for (const bool bias : {false, true}) {
    const auto config = tiny(numeric_mode::floating, bias);
    pipeline whole(config, 1);
    std::vector<double> losses;
    for (int64_t i = 0; i < 2; ++i) {
      losses.push_back(whole.run({0, i}, microbatch(config.model, rows, 0, i)));
    }
    const auto gradient = combine_flat(config.model, whole.spans, whole.sums());
    for (int64_t stages = 2; stages <= config.model.layers; ++stages) {
      pipeline cut(config, stages);
      BOOST_TEST(same_bytes(cut.parameters(), whole.parameters()));
      for (int64_t i = 0; i < 2; ++i) {
        const double loss = cut.run({0, i}, microbatch(config.model, rows, 0, i));
        BOOST_TEST(loss == losses[i]);
      }
      BOOST_TEST(same_bytes(combine_flat(config.model, cut.spans, cut.sums()), gradient));
    }
  }
}

BOOST_AUTO_TEST_CASE(one_whole_engine_is_the_reference_bit_for_bit) {
  for (const auto mode : {numeric_mode::floating, numeric_mode::reproducible}) {
    for (const double dropout : {0.0, 0.1}) {
      auto config = tiny(mode, true);
      config.model.dropout = dropout;
      auto reference = reference_of(config);
      pipeline whole(config, 1);
      for (int64_t step = 0; step < 8; ++step) {
        const auto expected = reference.step();
        BOOST_TEST(train_step(whole, config, step) == expected.loss);
        BOOST_TEST(expected.learning_rate == learning_rate(config.optimizer, step));
        BOOST_TEST(whole.engines[0]->weights_hash() == quick_hash(reference.parameters()));
      }
      BOOST_TEST(weights_hash(reference.parameters()) == reference.weights_hash());
      const auto [inputs, targets] = microbatch(config.model, rows, 50, 0);
      BOOST_TEST(whole.engines[0]->evaluate(inputs, targets) ==
                 reference.evaluate(inputs, targets));
    }
  }
}

BOOST_AUTO_TEST_CASE(stages_train_like_the_reference) {
  for (const bool bias : {false, true}) {
    const auto config = tiny(numeric_mode::floating, bias);
    for (int64_t stages = 2; stages <= config.model.layers; ++stages) {
      auto reference = reference_of(config);
      pipeline cut(config, stages);
      for (int64_t step = 0; step < 20; ++step) {
        BOOST_TEST(train_step(cut, config, step) == reference.step().loss,
                   boost::test_tools::tolerance(1e-6));
      }
      BOOST_TEST(relative_difference(cut.parameters(), reference.parameters()) < 1e-5);
    }
  }
}

BOOST_AUTO_TEST_CASE(reproducible_stages_have_the_references_hash) {
  const auto config = tiny(numeric_mode::reproducible, true);
  auto reference = reference_of(config);
  pipeline two(config, 2);
  pipeline three(config, 3);
  for (int64_t step = 0; step < 10; ++step) {
    reference.step();
    train_step(two, config, step);
    // The other pipeline takes its microbatches backwards, and one of them twice and back.
    for (int64_t i = microbatches; i-- > 0;) {
      three.run({step, i}, microbatch(config.model, rows, step, i));
    }
    three.run({step, 1}, microbatch(config.model, rows, step, 1));
    three.run({step, 1}, microbatch(config.model, rows, step, 1), -1);
    three.apply(step, three.sums());
  }
  BOOST_TEST(weights_hash(two.parameters()) == reference.weights_hash());
  BOOST_TEST(weights_hash(three.parameters()) == reference.weights_hash());
}

BOOST_AUTO_TEST_CASE(another_order_of_addition_stays_within_the_promised_distance) {
  for (const bool bias : {false, true}) {
    const auto config = tiny(numeric_mode::floating, bias);
    auto reference = reference_of(config);
    pipeline left(config, 1);
    pipeline right(config, 1);
    for (int64_t step = 0; step < 30; ++step) {
      reference.step();
      for (int64_t i = 0; i < microbatches; ++i) {
        (i % 2 ? left : right).run({step, i}, microbatch(config.model, rows, step, i));
      }
      const auto a = left.sums()[0];
      const auto b = right.sums()[0];
      std::vector<float> sum(a.as<float>(), a.as<float>() + a.elements());
      for (int64_t i = 0; i < b.elements(); ++i)
        sum[i] += b.as<float>()[i];
      const auto reduced = host_tensor::adopt(std::move(sum), a.shape());
      left.apply(step, {reduced});
      right.apply(step, {reduced});
    }
    BOOST_TEST(left.engines[0]->weights_hash() == right.engines[0]->weights_hash());
    const double distance = relative_difference(left.parameters(), reference.parameters());
    BOOST_TEST_MESSAGE("bias " << bias << ": " << distance);
    BOOST_TEST(distance > 0.0);
    BOOST_TEST(distance < 1e-5);
  }
}
