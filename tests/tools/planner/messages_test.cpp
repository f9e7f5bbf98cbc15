#include "tools/planner/messages.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/transport/endpoint.hpp"
#include "actors/wire/frame.hpp"

namespace {

using namespace swarm;
using namespace swarm::planner;

constexpr double gibibyte = 1024.0 * 1024 * 1024;

/// Boundary tensors of 1 GiB and a small stage.
message_sizes large(int64_t stages) {
  message_sizes run;
  run.model.layers = 4;
  run.model.heads = 4;
  run.model.width = 1024;
  run.model.context = 1024;
  run.model.vocabulary = 256;
  run.stages = stages;
  run.rows = 256;
  return run;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_limits_are_those_of_wire_and_transport) {
  BOOST_TEST(message_bytes_max == static_cast<double>(wire::frame_bytes_max));
  BOOST_TEST(queue_bytes_max == static_cast<double>(transport::endpoint_options{}.queue_bytes_max));
}

BOOST_AUTO_TEST_CASE(messages_grow_with_what_they_carry) {
  const double boundary = gibibyte;
  const double targets = 256.0 * 1024 * 4;
  BOOST_TEST(largest_message_bytes(large(1)) >= 2 * targets);
  BOOST_TEST(largest_message_bytes(large(1)) < 3 * targets);
  BOOST_TEST(largest_message_bytes(large(2)) >= boundary + targets);
  BOOST_TEST(largest_message_bytes(large(2)) < boundary + 2 * targets);
  // A middle stage that computes again is sent its input and the gradient of its output.
  BOOST_TEST(largest_message_bytes(large(3)) >= 2 * boundary);
}

BOOST_AUTO_TEST_CASE(a_message_above_the_limit_is_told_with_both_sides) {
  for (const int64_t stages : {2, 3}) {
    const auto why = check_messages(large(stages));
    BOOST_REQUIRE(why.has_value());
    for (const char* part : {"--rows=256", "--context=1024", "--width=1024", " > 1.0 GiB", "lower"})
      BOOST_TEST(contains(*why, part), *why);
    BOOST_TEST(contains(*why, stages == 3 ? "2.0 GiB" : "1.0 GiB"), *why);
  }
  BOOST_TEST(!check_messages(large(1)).has_value());
  auto half = large(3);
  half.rows = 127;
  BOOST_TEST(!check_messages(half).has_value());
  half.rows = 128;
  BOOST_TEST(check_messages(half).has_value());
  // Without a network only each tensor has a limit.
  half.between_processes = false;
  half.rows = 256;
  BOOST_TEST(!check_messages(half).has_value());
  half.rows = 257;
  BOOST_TEST(contains(check_messages(half).value(), "A tensor"));
}

BOOST_AUTO_TEST_CASE(what_waits_at_one_connection_counts_together) {
  auto run = large(3);
  run.rows = 32;
  run.in_flight = 3;
  BOOST_TEST(!check_messages(run).has_value());
  run.in_flight = 4;
  const auto why = check_messages(run);
  BOOST_REQUIRE(why.has_value());
  BOOST_TEST(contains(*why, "--in-flight=4"), *why);
  BOOST_TEST(contains(*why, " > 1.0 GiB"), *why);
}

BOOST_AUTO_TEST_CASE(gradients_that_two_peers_exchange_count) {
  message_sizes run;
  run.model.layers = 24;
  run.model.heads = 16;
  run.model.width = 4096;
  run.model.context = 16;
  run.stages = 24;
  BOOST_TEST(!check_messages(run).has_value());
  run.stages = 4;
  const auto why = check_messages(run);
  BOOST_REQUIRE(why.has_value());
  BOOST_TEST(contains(*why, "sum gradients"), *why);
  BOOST_TEST(contains(*why, "--stages=4"), *why);
}
