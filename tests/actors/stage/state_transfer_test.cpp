#include "actors/stage/state_transfer.hpp"

#include <boost/test/unit_test.hpp>
#include <vector>

namespace {

using namespace swarm;
using namespace swarm::stage;
using boost::test_tools::per_element;

tensors::host_tensor state_of(int64_t row) {
  std::vector<float> values(static_cast<size_t>(row * 3));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(i);
  return tensors::host_tensor::adopt(std::move(values), {3, row});
}

std::vector<float> numbers(const tensors::host_tensor& tensor) {
  return {tensor.as<float>(), tensor.as<float>() + tensor.elements()};
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_state_is_cut_into_shards_and_put_together_again) {
  const uint64_t elements = 1'001;
  const auto state = state_of(elements);
  for (const uint64_t length : {1U, 2U, 7U, 1'000U, 1'001U, 5'000U}) {
    std::vector<float> copy(3 * elements, -1);
    for (uint64_t first = 0; first < elements; first += length) {
      const auto shard = shard_of(state, first, length);
      BOOST_REQUIRE(shard.has_value());
      const auto count = static_cast<uint64_t>(shard->shape()[1]);
      BOOST_TEST(count == std::min(length, elements - first));
      put_shard(copy.data(), elements, {first, count}, shard->data());
    }
    BOOST_TEST(copy == numbers(state), per_element());
  }
}

BOOST_AUTO_TEST_CASE(a_whole_state_is_not_copied) {
  const auto state = state_of(8);
  BOOST_TEST(shard_of(state, 0, 100)->data() == state.data());
}

BOOST_AUTO_TEST_CASE(there_is_no_shard_past_the_end) {
  const auto state = state_of(8);
  BOOST_TEST(!shard_of(state, 8, 1).has_value());
  BOOST_TEST(!shard_of(state, ~uint64_t{0}, 1).has_value());
  BOOST_TEST(!shard_of(state, 0, 0).has_value());
  BOOST_TEST(!shard_of(tensors::host_tensor{}, 0, 1).has_value());
  BOOST_TEST(!shard_of(tensors::host_tensor::modelled(tensors::dtype::f32, {3, 8}), 0, 1));
}

BOOST_AUTO_TEST_CASE(shards_are_even_and_of_a_bounded_size) {
  BOOST_TEST(shard_elements_of(0) == 2U);
  BOOST_TEST(shard_elements_of(24) == 2U);
  BOOST_TEST(shard_elements_of(47) == 2U);
  BOOST_TEST(shard_elements_of(48) == 4U);
  BOOST_TEST(shard_elements_of(state_chunk_bytes_max) == 256U << 10);
  BOOST_TEST(shard_elements_of(~uint64_t{0}) == shard_elements_max);
}
