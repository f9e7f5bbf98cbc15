#include "tensors/engine/flat.hpp"

#include <boost/test/unit_test.hpp>
#include <stdexcept>

using namespace swarm::tensors;

namespace {

host_tensor counting(const model_config& model, const stage_span& span) {
  const auto layout = parameter_layout(model, span);
  auto flat = allocate_flat<float>(flat_size(layout));
  for (const auto& slot : layout) {
    for (int64_t i = 0; i < slot.size; ++i) {
      flat[slot.offset + i] = static_cast<float>(slot.name.size() * 1000 + i % 777);
    }
  }
  return view_of(flat, flat_size(layout));
}

}  // namespace

BOOST_AUTO_TEST_CASE(combining_any_partition_gives_the_whole_model) {
  model_config model;
  model.width = 24;
  model.bias = false;
  const auto whole = counting(model, whole_model(model));
  for (int64_t stages = 1; stages <= model.layers; ++stages) {
    const auto spans = partition(model, stages);
    std::vector<host_tensor> flats;
    for (const auto& span : spans)
      flats.push_back(counting(model, span));
    BOOST_TEST(weights_hash(combine_flat(model, spans, flats)) == weights_hash(whole));
  }
}

BOOST_AUTO_TEST_CASE(combining_what_does_not_fit_is_refused) {
  const model_config model;
  const auto spans = partition(model, 2);
  const auto first = counting(model, spans[0]);
  const auto second = counting(model, spans[1]);
  BOOST_CHECK_THROW(combine_flat(model, spans, {first}), std::invalid_argument);
  BOOST_CHECK_THROW(combine_flat(model, spans, {first, first}), std::invalid_argument);
  BOOST_CHECK_THROW(combine_flat(model, {spans[0]}, {first}), std::invalid_argument);
  BOOST_CHECK_NO_THROW(combine_flat(model, spans, {first, second}));
}

BOOST_AUTO_TEST_CASE(the_hash_is_xxh3_128_and_sees_one_bit) {
  // BLAKE2b-128 of no bytes, as `b2sum -l 128` prints it.
  BOOST_TEST(weights_hash(host_tensor()) == "cae66941d9efbd404e4d88758ea67670");
  // XXH3_128bits of no bytes, from the specification's test vectors.
  BOOST_TEST(quick_hash(host_tensor()) == "99aa06d3014798d86001c324468d497f");
  auto flat = allocate_flat<float>(100);
  const auto before = weights_hash(view_of(flat, 100));
  flat[99] = -0.0f;
  BOOST_TEST(weights_hash(view_of(flat, 100)) != before);
}

BOOST_AUTO_TEST_CASE(relative_difference_is_of_norms) {
  const auto a = host_tensor::adopt(std::vector<float>{3.0f, 4.5f}, {2});
  const auto b = host_tensor::adopt(std::vector<float>{3.0f, 4.0f}, {2});
  const auto zero = host_tensor::adopt(std::vector<float>{0.0f, 0.0f}, {2});
  BOOST_TEST(relative_difference(a, b) == 0.1, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(relative_difference(b, b) == 0.0);
  BOOST_TEST(relative_difference(b, zero) == 5.0);
  BOOST_CHECK_THROW(relative_difference(a, host_tensor()), std::invalid_argument);
}
