#include "actors/ids.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/binary_deserializer.hpp>
#include <caf/binary_serializer.hpp>
#include <set>
#include <sstream>
#include <type_traits>
#include <unordered_set>
#include <vector>

namespace {

using namespace swarm;

static_assert(!std::is_convertible_v<std::uint64_t, peer_id>);
static_assert(!std::is_convertible_v<peer_id, term_id>);
static_assert(!std::is_constructible_v<peer_id, term_id>);
static_assert(std::is_trivially_copyable_v<worker_id>);
static_assert(step_id(3).next() == step_id(4));
static_assert(worker_id{peer_id(1), incarnation_id(9)} < worker_id{peer_id(2), incarnation_id(0)});
static_assert(worker_id{peer_id(1), incarnation_id(0)} < worker_id{peer_id(1), incarnation_id(1)});
static_assert(peer_id{} == peer_id(0));

constexpr worker_id worker(std::uint64_t peer, std::uint32_t incarnation) {
  return {peer_id(peer), incarnation_id(incarnation)};
}

}  // namespace

BOOST_AUTO_TEST_CASE(ids_order_and_hash_by_value) {
  std::set<step_id> ordered{step_id(5), step_id(-1), step_id(5), step_id(2)};
  BOOST_TEST(ordered.size() == 3u);
  BOOST_TEST(*ordered.begin() == step_id(-1));
  std::unordered_set<worker_id> workers;
  for (std::uint64_t peer = 0; peer < 20; ++peer)
    for (std::uint32_t life = 0; life < 20; ++life)
      workers.insert(worker(peer, life));
  BOOST_TEST(workers.size() == 400u);
  BOOST_TEST(workers.count(worker(7, 3)) == 1u);
}

BOOST_AUTO_TEST_CASE(of_two_histories_the_later_wins_whatever_its_version) {
  const auto weights = [](uint64_t history, int64_t version) {
    return weights_id{history_id{history}, step_id{version}};
  };
  BOOST_TEST(weights(0, 118) < weights(0, 119));
  BOOST_TEST(weights(0, 118) < weights(4, 100));
  BOOST_TEST(weights(4, 101) > weights(4, 100));
  BOOST_TEST(weights(4, 100) <= weights(4, 100));
  BOOST_TEST(weights(4, 100).next() == weights(4, 101));
  std::ostringstream out;
  out << weights(4, 100);
  BOOST_TEST(out.str() == "4:100");
}

BOOST_AUTO_TEST_CASE(ids_print_their_number) {
  std::ostringstream out;
  out << peer_id(17) << ' ' << stage_id(-2) << ' ' << worker(4, 2);
  BOOST_TEST(out.str() == "17 -2 4.2");
}

BOOST_AUTO_TEST_CASE(ids_survive_a_caf_round_trip) {
  caf::actor_system_config config;
  caf::actor_system system{config};
  std::vector<char> bytes;
  worker_id sent = worker(0xfedcba9876543210, 8);
  step_id step(-6);
  caf::binary_serializer sink{system, bytes};
  BOOST_TEST(!sink(sent, step));
  worker_id received;
  step_id step_received;
  caf::binary_deserializer source{system, bytes};
  BOOST_TEST(!source(received, step_received));
  BOOST_TEST(received == sent);
  BOOST_TEST(step_received == step);
}
