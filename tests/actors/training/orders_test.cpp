#include "actors/training/orders.hpp"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <map>
#include <optional>

#include "actors/transport/endpoint.hpp"

// The coordinator's orders as messages.

namespace {

using namespace swarm;
using namespace swarm::training;

constexpr uint64_t members = 100;
constexpr size_t microbatches = 4'096;

worker_id worker(uint64_t peer) {
  return {peer_id{peer}, incarnation_id{1}};
}

/// Microbatch m is held by member m mod `members`.
group_repair large_group() {
  std::map<worker_id, held_bitmap> held;
  for (size_t m = 0; m < microbatches; ++m) {
    auto& bits = held[worker(1 + m % members)];
    bits.resize(microbatches / 8);
    bits[m / 8] = static_cast<uint8_t>(bits[m / 8] | 1U << (m % 8));
  }
  return group_repair{held};
}

wire::reduce order_of(const group_repair& group, std::optional<worker_id> helper) {
  return reduce_of({term_id{1}, step_id{0}, round_id{1}}, stage_id{0}, group, {}, group.revision(),
                   microbatches, std::chrono::seconds{5}, helper);
}

}  // namespace

/// Else it would wait behind the parts of the all-reduce that it is about.
BOOST_AUTO_TEST_CASE(an_order_to_reduce_stays_a_control_message_with_many_losses) {
  auto group = large_group();
  for (uint64_t lost = 1; lost <= 12; ++lost)
    BOOST_REQUIRE(group.lose(worker(lost)));
  const auto size = [&](std::optional<worker_id> helper) {
    return order_of(group, helper).bytes()->body_bytes();
  };
  BOOST_TEST(size(std::nullopt) <= transport::control_body_bytes_max);
  BOOST_TEST(size(group.losses().back().shares.front().helper) <=
             transport::control_body_bytes_max);
}

BOOST_AUTO_TEST_CASE(a_helper_alone_is_told_what_it_is_to_compute) {
  auto group = large_group();
  BOOST_REQUIRE(group.lose(worker(1)));
  const auto& shares = group.losses().front().shares;
  const auto helper = shares[1].helper;
  for (const auto to : {std::optional<worker_id>{}, std::optional<worker_id>{helper}}) {
    const auto order = order_of(group, to);
    const auto body = order.read();
    const auto told = body->getLosses()[0].getShares();
    BOOST_REQUIRE(told.size() == shares.size());
    for (unsigned k = 0; k < told.size(); ++k) {
      const auto bitmap = told[k].getMicrobatches();
      const held_bitmap named(bitmap.begin(), bitmap.end());
      BOOST_TEST((named == (shares[k].helper == to ? shares[k].microbatches : held_bitmap{})));
      const auto place = body->getMembers()[told[k].getHelper()];
      BOOST_TEST(place.getWorker().getPeer() == shares[k].helper.peer.value());
    }
  }
}
