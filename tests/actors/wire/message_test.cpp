#include "actors/wire/message.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <random>

#include "actors/wire/messages.hpp"
#include "actors/wire/tensor.hpp"

namespace {

using namespace swarm;

tensors::host_tensor ramp(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i)
    values[static_cast<size_t>(i)] = static_cast<float>(i);
  return tensors::host_tensor::adopt(std::move(values), {count});
}

wire::forward make_forward(const tensors::host_tensor& input) {
  wire::builder<schemas::Forward> message;
  message->getTicket().setTerm(7);
  message->getTicket().setStep(11);
  message->getTicket().setMicrobatch(13);
  wire::attach(message, message->initInput(), input);
  return message.finish();
}

template <class Message>
caf::binary_serializer::container_type bytes_of(Message& message) {
  caf::binary_serializer::container_type buffer;
  caf::binary_serializer sink{nullptr, buffer};
  BOOST_REQUIRE(!inspect(static_cast<caf::serializer&>(sink), message));
  return buffer;
}

template <class Message>
Message read_back(const caf::binary_serializer::container_type& buffer) {
  Message message;
  caf::binary_deserializer source{nullptr, buffer};
  // A frame that cannot even say its length is an error of the stream, not of the message.
  static_cast<void>(inspect(static_cast<caf::deserializer&>(source), message));
  return message;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_tensor_is_not_copied_inside_a_process) {
  auto input = ramp(1024);
  auto message = make_forward(input);
  auto copy = message;
  auto forward = copy.read();
  BOOST_TEST(static_cast<const void*>(forward->getInput().getPayload().begin()) == input.data());
  tensors::host_tensor seen;
  BOOST_REQUIRE(wire::extract_into(forward->getInput(), copy.bytes(), seen));
  BOOST_TEST(seen.data() == input.data());
}

BOOST_AUTO_TEST_CASE(a_received_tensor_keeps_its_frame_alive) {
  const float* expected = nullptr;
  tensors::host_tensor held;
  {
    auto message = make_forward(ramp(4096));
    auto received = read_back<wire::forward>(bytes_of(message));
    BOOST_REQUIRE(!received.fault());
    BOOST_REQUIRE(wire::extract_into(received.read()->getInput(), received.bytes(), held));
    expected = held.as<float>();
  }
  BOOST_TEST(expected[4095] == 4095.0F);
}

BOOST_AUTO_TEST_CASE(a_message_survives_the_trip) {
  for (int64_t size : {1, 2, 3, 1000}) {
    auto message = make_forward(ramp(size));
    auto buffer = bytes_of(message);
    auto received = read_back<wire::forward>(buffer);
    BOOST_REQUIRE(!received.fault());
    auto forward = received.read();
    BOOST_TEST(forward->getTicket().getTerm() == 7);
    BOOST_TEST(forward->getTicket().getMicrobatch() == 13);
    tensors::host_tensor seen;
    BOOST_REQUIRE(wire::extract_into(forward->getInput(), received.bytes(), seen));
    BOOST_TEST(seen.elements() == size);
    BOOST_TEST(seen.as<float>()[size - 1] == static_cast<float>(size - 1));
  }
}

BOOST_AUTO_TEST_CASE(a_forwarded_tensor_is_still_not_copied) {
  auto first = make_forward(ramp(64));
  tensors::host_tensor seen;
  BOOST_REQUIRE(wire::extract_into(first.read()->getInput(), first.bytes(), seen));
  auto second = make_forward(seen);
  first = wire::forward{};
  BOOST_TEST(static_cast<const void*>(second.read()->getInput().getPayload().begin()) ==
             seen.data());
}

BOOST_AUTO_TEST_CASE(every_truncation_is_a_fault_and_reads_nothing) {
  auto message = make_forward(ramp(32));
  const auto buffer = bytes_of(message);
  for (size_t size = 0; size < buffer.size(); ++size) {
    auto cut = buffer;
    cut.resize(size);
    BOOST_TEST(read_back<wire::forward>(cut).fault().has_value());
  }
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_is_a_fault) {
  auto message = make_forward(ramp(8));
  const auto buffer = bytes_of(message);
  for (size_t bit = 0; bit < buffer.size() * 8; ++bit) {
    auto damaged = buffer;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    BOOST_TEST(read_back<wire::forward>(damaged).fault().has_value());
  }
}

BOOST_AUTO_TEST_CASE(a_frame_of_another_type_is_refused) {
  auto message = make_forward(ramp(8));
  auto received = read_back<wire::backward>(bytes_of(message));
  BOOST_REQUIRE(received.fault().has_value());
  BOOST_TEST(static_cast<int>(*received.fault()) == static_cast<int>(wire::errc::wrong_type));
}

BOOST_AUTO_TEST_CASE(a_forged_length_allocates_nothing) {
  caf::binary_serializer::container_type buffer;
  caf::binary_serializer sink{nullptr, buffer};
  BOOST_REQUIRE(!sink.begin_sequence([] {
    static size_t length;
    length = size_t{1} << 40;
    return std::ref(length);
  }()));
  auto received = read_back<wire::forward>(buffer);
  BOOST_TEST(static_cast<int>(*received.fault()) == static_cast<int>(wire::errc::truncated));
}

BOOST_AUTO_TEST_CASE(hostile_pointers_with_a_valid_checksum_are_refused) {
  auto message = make_forward(ramp(8));
  const auto good = message.bytes();
  std::mt19937 random{42};
  size_t refused = 0;
  for (int round = 0; round < 2000; ++round) {
    // The attacker controls the body and computes the checksum itself, so validation is on trial.
    size_t words = 0;
    for (const auto& part : good->parts())
      words += part.size();
    const auto table = wire::segment_table(good->parts());
    auto body = kj::heapArray<capnp::word>(table.size() / 2 + words);
    auto* out = reinterpret_cast<unsigned char*>(body.begin());
    std::memcpy(out, table.data(), table.size() * 4);
    size_t offset = table.size() * 4;
    for (const auto& part : good->parts()) {
      std::memcpy(out + offset, part.begin(), part.size() * 8);
      offset += part.size() * 8;
    }
    const size_t first = table.size() * 4;
    for (int i = 0; i < 3; ++i)
      out[first + random() % (16 * 8)] = static_cast<unsigned char>(random());
    wire::frame_ptr frame;
    BOOST_REQUIRE(!wire::parse_body(std::move(body), frame));
    if (wire::validate(*frame, capnp::Schema::from<schemas::Forward>())) {
      ++refused;
      continue;
    }
    // What validation lets through must be readable without an exception.
    wire::forward survivor{frame};
    auto forward = survivor.read();
    tensors::host_tensor seen;
    wire::extract_into(forward->getInput(), survivor.bytes(), seen);
    if (!seen.empty()) BOOST_TEST(seen.bytes() <= wire::frame_bytes_max);
  }
  BOOST_TEST(refused > 0U);
}

BOOST_AUTO_TEST_CASE(a_default_message_has_a_fault) {
  BOOST_TEST(wire::forward{}.fault().has_value());
}
