#include "tensors/codec/host_tensor.hpp"

#include <boost/test/unit_test.hpp>
#include <memory>

using namespace swarm::tensors;

BOOST_AUTO_TEST_CASE(a_copy_is_a_handle_and_keeps_the_bytes_alive) {
  auto owner = std::make_shared<std::vector<float>>(6, 1.5f);
  const std::weak_ptr<std::vector<float>> alive = owner;
  const void* bytes = owner->data();
  host_tensor copy;
  {
    const host_tensor tensor(dtype::f32, {2, 3}, std::move(owner), bytes);
    copy = tensor;
  }
  BOOST_TEST(copy.data() == bytes);
  BOOST_TEST(copy.as<float>()[5] == 1.5f);
  copy = {};
  BOOST_TEST(alive.expired());
}

BOOST_AUTO_TEST_CASE(an_adopted_vector_is_not_copied) {
  std::vector<int32_t> values = {1, 2, 3, 4};
  const void* bytes = values.data();
  const auto tensor = host_tensor::adopt(std::move(values), {2, 2});
  BOOST_TEST(tensor.data() == bytes);
  BOOST_TEST((tensor.type() == dtype::i32));
  BOOST_TEST(tensor.bytes() == 16u);
}

BOOST_AUTO_TEST_CASE(allocated_bytes_are_zero_and_word_aligned) {
  for (const int64_t elements : {1, 3, 1001}) {
    void* bytes = nullptr;
    const auto tensor = host_tensor::allocate(dtype::u8, {elements}, &bytes);
    BOOST_TEST(bytes == tensor.data());
    BOOST_TEST(reinterpret_cast<uintptr_t>(bytes) % 8 == 0u);
    for (int64_t i = 0; i < elements; ++i)
      BOOST_REQUIRE_EQUAL(int{tensor.as<uint8_t>()[i]}, 0);
  }
}

BOOST_AUTO_TEST_CASE(a_modelled_tensor_has_a_size_and_no_bytes) {
  const auto tensor = host_tensor::modelled(dtype::f16, {4, 5});
  BOOST_TEST(tensor.is_virtual());
  BOOST_TEST(!tensor.empty());
  BOOST_TEST(tensor.bytes() == 40u);
  BOOST_TEST(tensor.data() == nullptr);
}

BOOST_AUTO_TEST_CASE(nothing_is_empty_and_not_virtual) {
  const host_tensor tensor;
  BOOST_TEST(tensor.empty());
  BOOST_TEST(!tensor.is_virtual());
  BOOST_TEST(tensor.elements() == 0);
  BOOST_TEST(tensor.bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(every_type_has_a_size_and_a_name) {
  BOOST_TEST(size_bytes(dtype::i64) == 8u);
  BOOST_TEST(size_bytes(dtype::bf16) == 2u);
  BOOST_TEST(to_string(dtype::bf16) == "bf16");
  BOOST_TEST(to_string(dtype::u8) == "u8");
}
