#include "actors/simulation/modelled_engine.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <numeric>
#include <vector>

namespace {

using namespace swarm;
using namespace swarm::simulation;
using tensors::engine_error;
using tensors::host_tensor;

modelled_options stage_of(int32_t stage, int32_t stages) {
  modelled_options options;
  options.stage = stage;
  options.stages = stages;
  options.microbatches = 3;
  options.rows = 2;
  options.context = 8;
  options.width = 4;
  options.saved_bytes = 77;
  return options;
}

using engine_ptr = std::unique_ptr<tensors::stage_engine>;

std::vector<engine_ptr> pipeline(int32_t stages) {
  std::vector<engine_ptr> result;
  for (int32_t s = 0; s < stages; ++s)
    result.push_back(make_modelled_engine(stage_of(s, stages)));
  return result;
}

void run(std::vector<engine_ptr>& engines, int64_t step, int64_t microbatch, int weight = 1) {
  const auto key = tensors::microbatch_key{step, microbatch};
  auto [input, targets] = modelled_microbatch(stage_of(0, 1));
  std::vector<std::shared_ptr<tensors::activation>> saved;
  for (size_t s = 0; s + 1 < engines.size(); ++s) {
    auto result = engines[s]->forward(key, input, true);
    BOOST_TEST(result.saved->bytes() == 77U);
    input = result.output;
    saved.push_back(result.saved);
  }
  auto gradient = engines.back()->loss(key, input, targets, weight).input_gradient;
  for (size_t s = engines.size() - 1; s-- > 0;)
    gradient = engines[s]->backward(key, *saved[s], gradient, weight);
  BOOST_TEST(gradient.empty());
}

void commit(std::vector<engine_ptr>& engines, int64_t step) {
  double norm_squared = 0;
  for (auto& e : engines)
    norm_squared += e->set_reduced(e->gradient_sum());
  for (auto& e : engines)
    e->apply(step, tensors::clip_factor({}, norm_squared));
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_gradient_once_in_any_order_gives_the_reference) {
  auto engines = pipeline(3);
  modelled_reference reference{3, 3, {}};
  for (int64_t step = 0; step < 4; ++step) {
    for (const int64_t m : {(step + 2) % 3, (step + 1) % 3, step % 3})
      run(engines, step, m);
    commit(engines, step);
    reference.advance();
  }
  for (int32_t s = 0; s < 3; ++s) {
    const auto& e = engines[static_cast<size_t>(s)];
    BOOST_TEST(e->weights_hash() == reference.weights_hash(s));
    const auto state = e->export_state();
    BOOST_TEST(std::memcmp(state.data(), reference.state(s).data(), state.bytes()) == 0);
  }
  BOOST_TEST(reference.version() == 4);
}

BOOST_AUTO_TEST_CASE(a_gradient_too_many_or_too_few_changes_the_weights_for_ever) {
  modelled_reference reference{2, 3, {}};
  for (int step = 0; step < 2; ++step)
    reference.advance();
  for (const int copies : {0, 2}) {
    auto engines = pipeline(2);
    for (int64_t step = 0; step < 2; ++step) {
      for (int64_t m = 0; m < 3; ++m)
        for (int i = 0; i < (step == 0 && m == 1 ? copies : 1); ++i)
          run(engines, step, m);
      commit(engines, step);
    }
    for (int32_t s = 0; s < 2; ++s)
      BOOST_TEST(engines[static_cast<size_t>(s)]->weights_hash() != reference.weights_hash(s));
  }
}

BOOST_AUTO_TEST_CASE(a_weight_of_minus_one_takes_away_exactly_what_was_added) {
  auto engines = pipeline(2);
  for (int64_t m = 0; m < 3; ++m)
    run(engines, 0, m);
  run(engines, 0, 1);
  run(engines, 0, 1, -1);
  run(engines, 0, 2, 0);
  commit(engines, 0);
  modelled_reference reference{2, 3, {}};
  reference.advance();
  BOOST_TEST(engines[0]->weights_hash() == reference.weights_hash(0));
}

BOOST_AUTO_TEST_CASE(another_scale_gives_other_weights) {
  auto one = pipeline(1);
  auto two = pipeline(1);
  for (auto* engines : {&one, &two}) {
    run(*engines, 0, 0);
    engines->front()->set_reduced(engines->front()->gradient_sum());
  }
  one.front()->apply(0, 1.0);
  two.front()->apply(0, 0.5);
  BOOST_TEST(one.front()->weights_hash() != two.front()->weights_hash());
}

BOOST_AUTO_TEST_CASE(dropped_microbatches_count_nowhere_and_the_rest_makes_up_for_them) {
  modelled_reference all{1, 3, {}};
  modelled_reference two{1, 3, {}};
  all.advance();
  two.advance({1});
  BOOST_TEST(all.weights_hash(0) != two.weights_hash(0));
  auto engines = pipeline(1);
  run(engines, 0, 0);
  run(engines, 0, 2);
  auto& e = *engines.front();
  const double norm_squared = e.set_reduced(e.gradient_sum());
  e.apply(0, 1.5 * tensors::clip_factor({}, norm_squared * 1.5 * 1.5));
  BOOST_TEST(e.weights_hash() == two.weights_hash(0));
}

BOOST_AUTO_TEST_CASE(a_state_moves_to_another_engine_and_a_damaged_one_is_refused) {
  auto engines = pipeline(1);
  run(engines, 0, 0);
  commit(engines, 0);
  const auto state = engines.front()->export_state();
  // What state_transfer asks for.
  BOOST_TEST(state.bytes() % 12 == 0U);
  BOOST_TEST((state.type() == tensors::dtype::f32));
  BOOST_TEST(state.shape()[0] == 3);
  auto other = make_modelled_engine(stage_of(0, 1));
  BOOST_TEST(other->weights_hash() != engines.front()->weights_hash());
  other->import_state(state);
  BOOST_TEST(other->weights_hash() == engines.front()->weights_hash());
  std::vector<float> damaged(static_cast<size_t>(state.elements()));
  for (size_t byte = 0; byte < state.bytes(); byte += 5) {
    std::memcpy(damaged.data(), state.data(), state.bytes());
    reinterpret_cast<unsigned char*>(damaged.data())[byte] ^= 1;
    BOOST_CHECK_THROW(other->import_state(host_tensor::adopt(damaged, state.shape())),
                      engine_error);
  }
  BOOST_CHECK_THROW(other->import_state(host_tensor::adopt(std::vector<float>(6), {3, 2})),
                    engine_error);
}

BOOST_AUTO_TEST_CASE(tensors_of_another_shape_and_old_graphs_are_refused) {
  auto engines = pipeline(2);
  const auto odd = host_tensor::modelled(tensors::dtype::f32, {2, 8, 5});
  const auto [tokens, targets] = modelled_microbatch(stage_of(0, 2));
  BOOST_CHECK_THROW(engines[0]->forward({}, odd, true), engine_error);
  BOOST_CHECK_THROW(engines[1]->loss({}, odd, targets, 1), engine_error);
  const auto graph = engines[0]->forward({}, tokens, true);
  BOOST_CHECK_THROW(engines[1]->loss({}, graph.output, odd, 1), engine_error);
  BOOST_CHECK_THROW(engines[0]->backward({}, *graph.saved, odd, 1), engine_error);
  engines[0]->backward({}, *graph.saved, graph.output, 1);
  commit(engines, 0);
  BOOST_CHECK_THROW(engines[0]->backward({}, *graph.saved, graph.output, 1), engine_error);
}

BOOST_AUTO_TEST_CASE(a_sum_that_somebody_reads_does_not_change) {
  auto engines = pipeline(1);
  run(engines, 0, 0);
  const auto seen = engines.front()->gradient_sum();
  const auto before = seen.as<int64_t>()[0];
  run(engines, 0, 1);
  BOOST_TEST(seen.as<int64_t>()[0] == before);
  BOOST_TEST(engines.front()->gradient_sum().as<int64_t>()[0] != before);
}

BOOST_AUTO_TEST_CASE(each_element_of_a_long_gradient_and_each_word_of_a_long_state_counts) {
  modelled_options shape = stage_of(0, 1);
  shape.gradient_elements = 37;
  shape.weight_words = 5;
  shape.gradient_bytes = 37'000'000;
  shape.state_bytes = 12'000'000;
  BOOST_TEST(shape.gradient_scale() == 125'000.0);
  BOOST_TEST(shape.state_scale() == 100'000.0);
  modelled_reference reference{1, 3, {}, 37, 5};
  reference.advance();
  const auto trained = [&](int64_t spoilt) {
    std::vector<engine_ptr> engines;
    engines.push_back(make_modelled_engine(shape));
    for (int64_t m = 0; m < 3; ++m)
      run(engines, 0, m);
    const auto sum = engines[0]->gradient_sum();
    BOOST_TEST(sum.elements() == 37);
    std::vector<int64_t> values(sum.as<int64_t>(), sum.as<int64_t>() + 37);
    if (spoilt >= 0) ++values[static_cast<size_t>(spoilt)];
    const double norm = engines[0]->set_reduced(host_tensor::adopt(std::move(values), {37}));
    engines[0]->apply(0, tensors::clip_factor({}, norm));
    return std::move(engines[0]);
  };
  const auto whole = trained(-1);
  BOOST_TEST(whole->weights_hash() == reference.weights_hash(0));
  for (int64_t e = 0; e < 37; ++e)
    BOOST_TEST(trained(e)->weights_hash() != reference.weights_hash(0));
  const auto state = whole->export_state();
  BOOST_TEST(state.bytes() == 120U);
  for (size_t word = 0; word < 15; ++word) {
    std::vector<float> bits(30);
    std::memcpy(bits.data(), state.data(), state.bytes());
    reinterpret_cast<char*>(bits.data())[8 * word] ^= 1;
    const auto other = make_modelled_engine(shape);
    BOOST_CHECK_THROW(other->import_state(host_tensor::adopt(std::move(bits), {3, 10})),
                      engine_error);
  }
  const auto other = make_modelled_engine(shape);
  other->import_state(state);
  BOOST_TEST(other->weights_hash() == reference.weights_hash(0));
}
