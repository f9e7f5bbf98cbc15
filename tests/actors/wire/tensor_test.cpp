#include "actors/wire/tensor.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/wire/messages.hpp"

namespace {

using namespace swarm;

/// A Forward whose tensor field is written by `fill`.
template <class F>
std::variant<tensors::host_tensor, wire::errc> tensor_of(F fill, bool allow_virtual = false) {
  wire::builder<schemas::Forward> message;
  fill(message->initInput());
  auto done = message.finish();
  return wire::extract(done.read()->getInput(), done.bytes(), allow_virtual);
}

bool refused(const std::variant<tensors::host_tensor, wire::errc>& result) {
  return std::holds_alternative<wire::errc>(result);
}

void set_shape(schemas::Tensor::Builder tensor, const std::vector<int64_t>& shape) {
  auto list = tensor.initShape(static_cast<unsigned>(shape.size()));
  for (unsigned i = 0; i < list.size(); ++i)
    list.set(i, shape[i]);
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_unset_tensor_is_empty) {
  auto result = tensor_of([](schemas::Tensor::Builder) {});
  BOOST_REQUIRE(!refused(result));
  BOOST_TEST(std::get<0>(result).empty());
}

BOOST_AUTO_TEST_CASE(a_payload_of_another_size_is_refused) {
  BOOST_TEST(refused(tensor_of([](schemas::Tensor::Builder tensor) {
    set_shape(tensor, {4});
    tensor.initPayload(15);
  })));
}

BOOST_AUTO_TEST_CASE(absurd_shapes_are_refused) {
  const std::vector<std::vector<int64_t>> shapes = {
      {-1}, {int64_t{1} << 62}, {1 << 20, 1 << 20, 1 << 20}, {1, 1, 1, 1, 1, 1, 1, 1, 1}};
  for (const auto& shape : shapes) {
    BOOST_TEST(refused(tensor_of([&](schemas::Tensor::Builder tensor) {
      set_shape(tensor, shape);
      tensor.initPayload(4);
    })));
  }
}

BOOST_AUTO_TEST_CASE(unknown_types_and_encodings_are_refused) {
  BOOST_TEST(refused(tensor_of([](schemas::Tensor::Builder tensor) {
    set_shape(tensor, {1});
    tensor.setType(static_cast<schemas::Tensor::Type>(99));
    tensor.initPayload(4);
  })));
  BOOST_TEST(refused(tensor_of([](schemas::Tensor::Builder tensor) {
    set_shape(tensor, {1});
    tensor.setEncoding(static_cast<schemas::Tensor::Encoding>(7));
    tensor.initPayload(4);
  })));
}

BOOST_AUTO_TEST_CASE(virtual_tensors_are_for_the_simulator_only) {
  const auto fill = [](schemas::Tensor::Builder tensor) {
    set_shape(tensor, {3, 5});
    tensor.setVirtualBytes(60);
  };
  BOOST_TEST(refused(tensor_of(fill)));
  auto taken = tensor_of(fill, true);
  BOOST_REQUIRE(!refused(taken));
  BOOST_TEST(std::get<0>(taken).is_virtual());
  BOOST_TEST(std::get<0>(taken).bytes() == 60U);
}
