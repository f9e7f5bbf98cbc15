#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>

#include "tensors/engine/thread_layout.hpp"
#include "tests/tensors/engine/training_fixture.hpp"

using namespace swarm::tensors;
using namespace swarm::tensors::testing;

namespace {

constexpr int64_t rows = 3;

struct one_thread {
  one_thread() { configure_thread(1); }
};

engine_config tiny(const stage_span& span) {
  engine_config config;
  config.model = tiny_model();
  config.span = span;
  return config;
}

const stage_span whole{0, 3, true, true};
const stage_span front{0, 2, true, false};
const stage_span back{2, 3, false, true};

template <class Work>
engine_fault fault_of(Work work) {
  try {
    work();
  } catch (const engine_error& error) {
    BOOST_TEST(std::string(error.what()).size() > 10u);
    return error.fault();
  }
  BOOST_ERROR("nothing was thrown");
  return engine_fault::internal;
}

host_tensor filled(float value, const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t size : shape)
    count *= size;
  return host_tensor::adopt(std::vector<float>(count, value), shape);
}

}  // namespace

BOOST_TEST_GLOBAL_FIXTURE(one_thread);

BOOST_AUTO_TEST_CASE(the_first_loss_is_that_of_guessing) {
  const auto engine = make_torch_engine(tiny(whole));
  const auto [inputs, targets] = microbatch(tiny_model(), rows, 0, 0);
  BOOST_TEST(std::abs(engine->loss({0, 0}, inputs, targets, 1).loss - std::log(61.0)) < 0.1);
}

BOOST_AUTO_TEST_CASE(another_sum_has_what_is_added_while_it_is_selected) {
  for (const auto mode : {numeric_mode::floating, numeric_mode::reproducible}) {
    auto config = tiny(whole);
    config.mode = mode;
    config.microbatches_per_step = 4;
    const auto engine = make_torch_engine(config);
    const auto plain = make_torch_engine(config);
    const auto add = [](stage_engine& to, int64_t m) {
      const auto [inputs, targets] = microbatch(tiny_model(), rows, 0, m);
      to.loss({0, m}, inputs, targets, 1);
    };
    const auto hash_of_sum = [](const stage_engine& of) { return weights_hash(of.gradient_sum()); };
    add(*engine, 0);
    const auto own = hash_of_sum(*engine);
    engine->select_sum(7);
    add(*engine, 1);
    add(*engine, 2);
    const auto share = hash_of_sum(*engine);
    engine->select_sum(own_sum);
    BOOST_TEST(hash_of_sum(*engine) == own);
    add(*plain, 1);
    add(*plain, 2);
    BOOST_TEST(share == hash_of_sum(*plain));
    // The own sum goes with the step, the other with its last user.
    engine->clear_gradient();
    engine->select_sum(7);
    BOOST_TEST(hash_of_sum(*engine) == share);
    engine->select_sum(own_sum);
    engine->forget_sum(7);
    engine->select_sum(7);
    plain->clear_gradient();
    BOOST_TEST(hash_of_sum(*engine) == hash_of_sum(*plain));
  }
}

BOOST_AUTO_TEST_CASE(the_gradient_is_the_slope_of_the_loss) {
  auto config = tiny(whole);
  config.microbatches_per_step = 2;
  const auto engine = make_torch_engine(config);
  const auto [inputs, targets] = microbatch(tiny_model(), rows, 0, 0);
  engine->loss({0, 0}, inputs, targets, 1);
  const auto sum = engine->gradient_sum();
  // A step along the gradient, by finite differences through the public state.
  const auto state = engine->export_state();
  double squares = 0;
  for (int64_t i = 0; i < sum.elements(); ++i)
    squares += std::pow(sum.as<float>()[i], 2);
  const double along = 0.005;
  double values[2];
  for (const int side : {0, 1}) {
    void* bytes = nullptr;
    auto moved = host_tensor::allocate(dtype::f32, state.shape(), &bytes);
    auto* target = static_cast<float*>(bytes);
    std::copy_n(state.as<float>(), state.elements(), target);
    const double step = (side == 0 ? -along : along) / std::sqrt(squares);
    for (int64_t i = 0; i < sum.elements(); ++i) {
      target[i] += static_cast<float>(step * sum.as<float>()[i]);
    }
    engine->import_state(moved);
    values[side] = engine->evaluate(inputs, targets);
  }
  const double slope = (values[1] - values[0]) / (2 * along);
  BOOST_TEST(slope == 2 * std::sqrt(squares), boost::test_tools::tolerance(5e-3));
}

BOOST_AUTO_TEST_CASE(evaluation_is_the_loss_without_traces) {
  const auto engine = make_torch_engine(tiny(whole));
  const auto [inputs, targets] = microbatch(tiny_model(), rows, 0, 0);
  const double loss = engine->loss({0, 0}, inputs, targets, 0).loss;
  BOOST_TEST(engine->evaluate(inputs, targets) == loss);
  for (int64_t i = 0; i < engine->gradient_sum().elements(); ++i) {
    BOOST_REQUIRE_EQUAL(engine->gradient_sum().as<float>()[i], 0.0f);
  }
}

BOOST_AUTO_TEST_CASE(fewer_tokens_than_the_context_are_welcome) {
  const auto engine = make_torch_engine(tiny(whole));
  for (const int32_t tokens : {1, 5, 16}) {
    const auto input = host_tensor::adopt(std::vector<int32_t>(2 * tokens, 7), {2, tokens});
    BOOST_TEST(std::isfinite(engine->loss({0, 0}, input, input, 1).loss));
    const auto logits = engine->logits(input);
    BOOST_TEST(logits.shape() == (std::vector<int64_t>{2, 61}));
  }
}

BOOST_AUTO_TEST_CASE(logits_of_the_last_position_explain_the_loss) {
  const auto engine = make_torch_engine(tiny(whole));
  const auto input = host_tensor::adopt(std::vector<int32_t>{11}, {1, 1});
  const auto target = host_tensor::adopt(std::vector<int32_t>{23}, {1, 1});
  const auto logits = engine->logits(input);
  double total = 0;
  for (int i = 0; i < 61; ++i)
    total += std::exp(double{logits.as<float>()[i]});
  BOOST_TEST(engine->evaluate(input, target) == std::log(total) - logits.as<float>()[23],
             boost::test_tools::tolerance(1e-5));
}

BOOST_AUTO_TEST_CASE(inference_equals_the_kept_forward_and_keeps_nothing) {
  const auto engine = make_torch_engine(tiny(front));
  const auto [inputs, targets] = microbatch(tiny_model(), rows, 0, 0);
  const auto kept = engine->forward({0, 0}, inputs, true);
  const auto plain = engine->forward({0, 0}, inputs, false);
  BOOST_TEST(kept.output.shape() == (std::vector<int64_t>{rows, 16, 32}));
  BOOST_TEST(same_bytes(kept.output, plain.output));
  BOOST_TEST(same_bytes(kept.output, engine->infer(inputs)));
  BOOST_TEST(plain.saved == nullptr);
  BOOST_TEST(kept.saved->bytes() > kept.output.bytes());
}

BOOST_AUTO_TEST_CASE(a_lost_answer_can_be_computed_again_without_adding) {
  pipeline stages(tiny(whole), 3);
  const auto [inputs, targets] = microbatch(tiny_model(), rows, 0, 0);
  const auto first = stages.engines[0]->forward({0, 0}, inputs, true);
  const auto second = stages.engines[1]->forward({0, 0}, first.output, true);
  const auto last = stages.engines[2]->loss({0, 0}, second.output, targets, 1);
  const auto once = stages.engines[1]->backward({0, 0}, *second.saved, last.input_gradient, 1);
  const auto sum = weights_hash(stages.engines[1]->gradient_sum());
  const auto again = stages.engines[1]->backward({0, 0}, *second.saved, last.input_gradient, 0);
  BOOST_TEST(same_bytes(once, again));
  BOOST_TEST(weights_hash(stages.engines[1]->gradient_sum()) == sum);
  const auto repeat = stages.engines[2]->loss({0, 0}, second.output, targets, 0);
  BOOST_TEST(same_bytes(repeat.input_gradient, last.input_gradient));
  BOOST_TEST(stages.engines[0]->backward({0, 0}, *first.saved, once, 0).empty());
}

BOOST_AUTO_TEST_CASE(dropout_is_a_function_of_the_microbatch) {
  auto config = tiny(whole);
  config.model.dropout = 0.2;
  config.seed = 5;
  const auto batch = microbatch(config.model, rows, 0, 0);
  pipeline one(config, 1);
  pipeline three(config, 3);
  const double loss = one.run({4, 2}, batch);
  BOOST_TEST(three.run({4, 2}, batch) == loss);
  BOOST_TEST(one.run({4, 2}, batch) == loss);
  BOOST_TEST(one.run({4, 3}, batch) != loss);
  BOOST_TEST(one.run({5, 2}, batch) != loss);
  const double plain = one.engines[0]->evaluate(batch.first, batch.second);
  BOOST_TEST(plain != loss);
  BOOST_TEST(one.engines[0]->evaluate(batch.first, batch.second) == plain);
}

BOOST_AUTO_TEST_CASE(a_tied_head_trains_one_matrix_from_both_ends) {
  auto config = tiny(whole);
  config.model.tied_head = true;
  config.optimizer.warmup_steps = 0;
  pipeline model(config, 1);
  const double before = model.run({0, 0}, microbatch(config.model, rows, 0, 0));
  for (int64_t step = 0; step < 30; ++step) {
    model.apply(step, model.sums());
    model.run({step, 0}, microbatch(config.model, rows, 0, 0));
  }
  const auto batch = microbatch(config.model, rows, 0, 0);
  BOOST_TEST(model.engines[0]->evaluate(batch.first, batch.second) < before - 0.5);
}

BOOST_AUTO_TEST_CASE(the_key_bias_stays_where_it_was) {
  auto config = tiny(whole);
  config.optimizer.warmup_steps = 0;
  pipeline model(config, 1);
  for (int64_t step = 0; step < 5; ++step) {
    model.run({step, 0}, microbatch(config.model, rows, step, 0));
    model.apply(step, model.sums());
  }
  const auto flat = model.parameters();
  for (const auto& slot : parameter_layout(config.model, whole)) {
    if (slot.name.find("c_attn.bias") == std::string::npos) continue;
    const float* bias = flat.as<float>() + slot.offset;
    for (int i = 0; i < 32; ++i) {
      BOOST_REQUIRE(bias[i] != 0.0f);
      BOOST_REQUIRE_EQUAL(bias[32 + i], 0.0f);
      BOOST_REQUIRE(bias[64 + i] != 0.0f);
    }
  }
}

BOOST_AUTO_TEST_CASE(state_travels_and_training_goes_on_the_same) {
  auto config = tiny(whole);
  pipeline source(config, 1);
  const auto train = [&](pipeline& model, int64_t from, int64_t to) {
    for (int64_t step = from; step < to; ++step) {
      model.run({step, 0}, microbatch(config.model, rows, step, 0));
      model.apply(step, model.sums());
    }
    return model.engines[0]->weights_hash();
  };
  train(source, 0, 3);
  config.seed = 99;
  pipeline copy(config, 1);
  BOOST_TEST(copy.engines[0]->weights_hash() != source.engines[0]->weights_hash());
  copy.engines[0]->import_state(source.engines[0]->export_state());
  BOOST_TEST(copy.engines[0]->weights_hash() == source.engines[0]->weights_hash());
  BOOST_TEST(train(copy, 3, 6) == train(source, 3, 6));
}

namespace {

/// Runs of so many elements that cover a stage.
std::vector<element_range> ranges_of(int64_t elements, int64_t length) {
  std::vector<element_range> result;
  for (int64_t first = 0; first < elements; first += length)
    result.push_back({first, std::min(length, elements - first)});
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_state_travels_in_ranges_of_any_length) {
  for (const int64_t length : {1, 7, 1000, 1 << 20}) {
    auto config = tiny(whole);
    pipeline source(config, 1);
    source.run({0, 0}, microbatch(config.model, rows, 0, 0));
    source.apply(0, source.sums());
    config.seed = 99;
    const auto copy = make_torch_engine(config);
    auto& from = *source.engines[0];
    BOOST_REQUIRE(from.elements() == from.export_state().shape()[1]);
    for (const auto& range : ranges_of(from.elements(), length))
      copy->import_range(range, from.export_range(range));
    BOOST_TEST(quick_hash(copy->export_state()) == quick_hash(from.export_state()));
    BOOST_TEST(copy->weights_hash() == from.weights_hash());
  }
}

BOOST_AUTO_TEST_CASE(a_step_over_ranges_is_bit_for_bit_the_step) {
  for (const auto mode : {numeric_mode::floating, numeric_mode::reproducible}) {
    auto config = tiny(whole);
    config.mode = mode;
    pipeline model(config, 1);
    auto& whole_steps = *model.engines[0];
    const auto by_ranges = make_torch_engine(config);
    const auto elements = whole_steps.elements();
    for (int64_t step = 0; step < 3; ++step) {
      model.run({step, 0}, microbatch(config.model, rows, step, 0));
      const auto sum = whole_steps.gradient_sum();
      // Every other range in a step of its own, as if their states had come at different times.
      std::vector<element_range> even;
      std::vector<element_range> odd;
      for (const auto& range : ranges_of(elements, 37))
        (range.first / 37 % 2 == 0 ? even : odd).push_back(range);
      for (const auto* ranges : {&even, &odd}) {
        by_ranges->set_reduced(sum);
        by_ranges->apply_ranges(step, 0.5, *ranges);
      }
      whole_steps.set_reduced(sum);
      whole_steps.apply(step, 0.5);
      BOOST_TEST(quick_hash(by_ranges->export_state()) == quick_hash(whole_steps.export_state()));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_step_over_ranges_leaves_the_others_alone) {
  const auto config = tiny(whole);
  pipeline model(config, 1);
  auto& engine = *model.engines[0];
  model.run({0, 0}, microbatch(config.model, rows, 0, 0));
  const auto before = engine.export_state();
  engine.set_reduced(engine.gradient_sum());
  engine.apply_ranges(0, 1, {{16, 100}});
  const auto after = engine.export_state();
  int64_t changed = 0;
  for (int64_t i = 0; i < engine.elements(); ++i)
    if (before.as<float>()[i] != after.as<float>()[i]) {
      BOOST_REQUIRE(i >= 16);
      BOOST_REQUIRE(i < 116);
      ++changed;
    }
  BOOST_TEST(changed > 0);
  BOOST_TEST((fault_of([&] {
                engine.apply_ranges(1, 1, {{16, 100}});
              }) == engine_fault::bad_state));
}

BOOST_AUTO_TEST_CASE(ranges_that_do_not_fit_are_refused) {
  const auto engine = make_torch_engine(tiny(whole));
  const auto elements = engine->elements();
  const auto bad = engine_fault::bad_state;
  for (const auto range : {element_range{-1, 2}, element_range{0, 0}, element_range{elements, 1},
                           element_range{1, elements}, element_range{elements - 1, 2}})
    BOOST_TEST((fault_of([&] { engine->export_range(range); }) == bad));
  const auto before = engine->weights_hash();
  BOOST_TEST((fault_of([&] { engine->import_range({0, 3}, filled(0, {3, 4})); }) == bad));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  BOOST_TEST((fault_of([&] { engine->import_range({0, 4}, filled(nan, {3, 4})); }) == bad));
  BOOST_TEST(engine->weights_hash() == before);
}

BOOST_AUTO_TEST_CASE(wrong_shapes_are_refused) {
  const auto first = make_torch_engine(tiny(front));
  const auto last = make_torch_engine(tiny(back));
  const auto [inputs, targets] = microbatch(tiny_model(), rows, 0, 0);
  const auto hidden = filled(0.1f, {rows, 16, 32});
  const auto wrong = engine_fault::wrong_shape;
  const auto tokens = [](std::vector<int32_t> values, std::vector<int64_t> shape) {
    return host_tensor::adopt(std::move(values), std::move(shape));
  };
  BOOST_TEST((fault_of([&] { first->infer(hidden); }) == wrong));
  BOOST_TEST((fault_of([&] { first->infer(tokens({1, 61}, {1, 2})); }) == wrong));
  BOOST_TEST((fault_of([&] { first->infer(tokens({1, -1}, {1, 2})); }) == wrong));
  BOOST_TEST((fault_of([&] {
                first->infer(tokens(std::vector<int32_t>(17, 0), {1, 17}));
              }) == wrong));
  BOOST_TEST((fault_of([&] { first->infer(host_tensor()); }) == wrong));
  BOOST_TEST((fault_of([&] { first->infer(host_tensor::modelled(dtype::i32, {1, 2})); }) == wrong));
  BOOST_TEST((fault_of([&] { last->evaluate(inputs, targets); }) == wrong));
  BOOST_TEST((fault_of([&] { last->evaluate(hidden, tokens({1}, {1, 1})); }) == wrong));
  BOOST_TEST((fault_of([&] { last->evaluate(filled(0.1f, {rows, 16, 31}), targets); }) == wrong));
  BOOST_TEST((fault_of([&] { last->set_reduced(filled(0, {16})); }) == wrong));
  const auto kept = first->forward({0, 0}, inputs, true);
  BOOST_TEST((fault_of([&] {
                first->backward({0, 0}, *kept.saved, filled(0.1f, {rows, 16, 31}), 1);
              }) == wrong));
}

BOOST_AUTO_TEST_CASE(calls_at_the_wrong_stage_or_time_are_refused) {
  const auto first = make_torch_engine(tiny(front));
  const auto other = make_torch_engine(tiny(front));
  const auto last = make_torch_engine(tiny(back));
  const auto [inputs, targets] = microbatch(tiny_model(), rows, 0, 0);
  const auto hidden = filled(0.1f, {rows, 16, 32});
  const auto bad = engine_fault::bad_state;
  BOOST_TEST((fault_of([&] { first->evaluate(inputs, targets); }) == bad));
  BOOST_TEST((fault_of([&] { first->logits(inputs); }) == bad));
  BOOST_TEST((fault_of([&] { last->forward({0, 0}, hidden, true); }) == bad));
  BOOST_TEST((fault_of([&] { last->infer(hidden); }) == bad));
  BOOST_TEST((fault_of([&] { first->apply(0, 1.0); }) == bad));
  BOOST_TEST((fault_of([&] { first->import_state(last->export_state()); }) == bad));
  const auto kept = first->forward({0, 0}, inputs, true);
  BOOST_TEST((fault_of([&] { other->backward({0, 0}, *kept.saved, hidden, 1); }) == bad));
  BOOST_TEST((fault_of([&] { first->backward({0, 0}, *kept.saved, hidden, 2); }) == bad));
  first->import_state(first->export_state());
  BOOST_TEST((fault_of([&] { first->backward({0, 0}, *kept.saved, hidden, 1); }) == bad));
  auto config = tiny(front);
  config.model.heads = 5;
  BOOST_TEST((fault_of([&] { make_torch_engine(config); }) == bad));
  config = tiny(front);
  config.model.tied_head = true;
  BOOST_TEST((fault_of([&] { make_torch_engine(config); }) == bad));
  config = tiny({0, 4, true, true});
  BOOST_TEST((fault_of([&] { make_torch_engine(config); }) == bad));
}

BOOST_AUTO_TEST_CASE(a_number_that_is_not_one_leaves_everything_untouched) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto bad = engine_fault::non_finite;
  for (const auto mode : {numeric_mode::floating, numeric_mode::reproducible}) {
    auto config = tiny(whole);
    config.mode = mode;
    pipeline stages(config, 2);
    auto& first = *stages.engines[0];
    auto& last = *stages.engines[1];
    const auto batch = microbatch(config.model, rows, 0, 0);
    stages.run({0, 0}, batch);
    const auto sums = stages.sums();
    const std::vector<std::string> hashes = {weights_hash(sums[0]), weights_hash(sums[1])};
    const auto hidden = filled(nan, {rows, 16, 32});
    BOOST_TEST((fault_of([&] { last.loss({0, 1}, hidden, batch.second, 1); }) == bad));
    const auto kept = first.forward({0, 1}, batch.first, true);
    BOOST_TEST((fault_of([&] { first.backward({0, 1}, *kept.saved, hidden, 1); }) == bad));
    // Finite, but the parameters' gradients overflow.
    const auto huge = filled(3e38f, {rows, 16, 32});
    BOOST_TEST((fault_of([&] { first.backward({0, 1}, *kept.saved, huge, 1); }) == bad));
    for (size_t s = 0; s < 2; ++s) {
      BOOST_TEST(weights_hash(stages.engines[s]->gradient_sum()) == hashes[s]);
    }
    const auto state = first.export_state();
    auto poisoned = std::vector<float>(state.as<float>(), state.as<float>() + state.elements());
    poisoned[1] = nan;
    const auto before = first.weights_hash();
    BOOST_TEST((fault_of([&] {
                  first.import_state(host_tensor::adopt(poisoned, state.shape()));
                }) == engine_fault::bad_state));
    BOOST_TEST(first.weights_hash() == before);
  }
}
