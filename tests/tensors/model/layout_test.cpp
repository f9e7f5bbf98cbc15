#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "tensors/model/model_config.hpp"
#include "tensors/model/random.hpp"

using namespace swarm::tensors;

namespace {

std::vector<float> initial(const model_config& model, const stage_span& span, uint64_t seed) {
  const auto layout = parameter_layout(model, span);
  std::vector<float> flat(flat_size(layout), -7.0f);
  fill_initial(model, layout, seed, flat.data());
  return flat;
}

double deviation(const float* values, int64_t size) {
  double sum = 0;
  for (int64_t i = 0; i < size; ++i)
    sum += double{values[i]} * values[i];
  return std::sqrt(sum / static_cast<double>(size));
}

}  // namespace

BOOST_AUTO_TEST_CASE(slots_are_aligned_and_do_not_overlap) {
  for (const bool bias : {false, true}) {
    model_config model;
    model.width = 20;
    model.vocabulary = 33;
    model.bias = bias;
    for (const auto& span : partition(model, 3)) {
      int64_t end = 0;
      for (const auto& slot : parameter_layout(model, span)) {
        BOOST_TEST(slot.offset % parameter_alignment == 0);
        BOOST_TEST(slot.offset >= end);
        end = slot.offset + slot.size;
        BOOST_TEST(slot.decays == (slot.shape.size() == 2));
      }
      BOOST_TEST(flat_size(parameter_layout(model, span)) % parameter_alignment == 0);
      BOOST_TEST(flat_size(parameter_layout(model, span)) >= end);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_gpt2_sized_model_has_gpt2s_parameters) {
  model_config model;
  model.layers = 12;
  model.heads = 12;
  model.width = 768;
  model.context = 1024;
  model.vocabulary = 50257;
  model.tied_head = true;
  int64_t parameters = 0;
  for (const auto& slot : parameter_layout(model, {0, 12, true, true}))
    parameters += slot.size;
  BOOST_TEST(parameters == 124439808);
}

BOOST_AUTO_TEST_CASE(a_partition_holds_every_parameter_once_with_the_same_initial_value) {
  model_config model;
  const stage_span whole{0, model.layers, true, true};
  const auto flat = initial(model, whole, 11);
  std::map<std::string, parameter_slot> expected;
  for (const auto& slot : parameter_layout(model, whole))
    expected[slot.name] = slot;
  for (int64_t stages = 1; stages <= model.layers; ++stages) {
    std::set<std::string> seen;
    for (const auto& span : partition(model, stages)) {
      const auto part = initial(model, span, 11);
      for (const auto& slot : parameter_layout(model, span)) {
        BOOST_REQUIRE(seen.insert(slot.name).second);
        const auto& same = expected.at(slot.name);
        BOOST_REQUIRE(slot.shape == same.shape);
        BOOST_REQUIRE(
            std::memcmp(&part[slot.offset], &flat[same.offset], slot.size * sizeof(float)) == 0);
      }
    }
    BOOST_TEST(seen.size() == expected.size());
  }
}

BOOST_AUTO_TEST_CASE(initial_values_have_gpt2s_deviations_and_gaps_are_zero) {
  model_config model;
  model.width = 136;
  model.heads = 2;
  model.context = 63;
  const stage_span whole{0, model.layers, true, true};
  const auto flat = initial(model, whole, 3);
  std::vector<bool> covered(flat.size(), false);
  for (const auto& slot : parameter_layout(model, whole)) {
    for (int64_t i = 0; i < slot.size; ++i)
      covered[slot.offset + i] = true;
    const float* values = &flat[slot.offset];
    const bool residual = slot.name.find("c_proj.weight") != std::string::npos;
    if (slot.decays) {
      const double wanted = residual ? 0.02 / std::sqrt(12.0) : 0.02;
      BOOST_TEST(std::abs(deviation(values, slot.size) - wanted) < 0.05 * wanted);
    } else {
      const bool weight = slot.name.find(".weight") != std::string::npos;
      for (int64_t i = 0; i < slot.size; ++i)
        BOOST_REQUIRE_EQUAL(values[i], weight ? 1.0f : 0.0f);
    }
  }
  for (size_t i = 0; i < flat.size(); ++i) {
    if (!covered[i]) BOOST_REQUIRE_EQUAL(flat[i], 0.0f);
  }
}

BOOST_AUTO_TEST_CASE(another_seed_or_name_draws_other_numbers) {
  BOOST_TEST(stream_key(1, "a") != stream_key(2, "a"));
  BOOST_TEST(stream_key(1, "a") != stream_key(1, "b"));
  model_config model;
  const stage_span whole{0, model.layers, true, true};
  BOOST_TEST(initial(model, whole, 1)[0] != initial(model, whole, 2)[0]);
}

BOOST_AUTO_TEST_CASE(the_generator_is_frozen) {
  // SplitMix64 seeded with 0 begins with these numbers; a change would change every run's weights.
  BOOST_TEST(counter_random(0).bits(0) == 0xE220A8397B1DCDAFull);
  BOOST_TEST(counter_random(0).bits(1) == 0x6E789E6AA1B965F4ull);
}

BOOST_AUTO_TEST_CASE(dropout_keeps_the_mean) {
  std::vector<float> factors(100000);
  counter_random(5).dropout(factors.data(), factors.size(), 0.25);
  double sum = 0;
  for (const float factor : factors) {
    BOOST_REQUIRE(factor == 0.0f || factor == static_cast<float>(1.0 / 0.75));
    sum += factor;
  }
  BOOST_TEST(std::abs(sum / static_cast<double>(factors.size()) - 1.0) < 0.01);
}
