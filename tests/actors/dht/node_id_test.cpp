#include "actors/dht/node_id.hpp"

#include <boost/test/unit_test.hpp>
#include <set>

#include "tests/actors/dht/keys.hpp"

using namespace swarm;
using namespace swarm::dht;

namespace {

node_id random_id(splitmix64& random) {
  node_id id;
  for (auto& byte : id.bytes)
    byte = static_cast<uint8_t>(random.next());
  return id;
}

}  // namespace

BOOST_AUTO_TEST_CASE(distance_is_a_metric) {
  splitmix64 random{1};
  for (int i = 0; i < 500; ++i) {
    const auto a = random_id(random);
    const auto b = random_id(random);
    const auto c = random_id(random);
    BOOST_TEST((distance(a, a) == node_id{}));
    BOOST_TEST((distance(a, b) == distance(b, a)));
    // Stronger than the triangle inequality: x ^ z = (x ^ y) ^ (y ^ z).
    BOOST_TEST((distance(a, c) == distance(distance(a, b), distance(b, c))));
    BOOST_TEST(closer(a, b, c) == (distance(a, c) < distance(b, c)));
    // Unidirectional: two ids never are equally far.
    BOOST_TEST(closer(a, b, c) != closer(b, a, c));
    BOOST_TEST(!closer(a, a, c));
  }
}

BOOST_AUTO_TEST_CASE(common_bits_counts_from_the_highest) {
  node_id a;
  BOOST_TEST(common_bits(a, a) == id_bits);
  for (size_t bit = 0; bit < id_bits; ++bit) {
    node_id b;
    b.bytes[bit / 8] = static_cast<uint8_t>(0x80 >> (bit % 8));
    BOOST_TEST(common_bits(a, b) == bit);
  }
}

BOOST_AUTO_TEST_CASE(a_random_id_shares_exactly_the_bits_asked_for) {
  splitmix64 random{2};
  const auto own = random_id(random);
  for (size_t shared = 0; shared < id_bits; ++shared)
    BOOST_TEST(common_bits(own, random_sharing(own, shared, random)) == shared);
}

BOOST_AUTO_TEST_CASE(ids_of_keys_are_all_different_and_do_not_change) {
  std::set<node_id> ids;
  for (uint64_t n = 0; n < 1'000; ++n)
    ids.insert(dht::testing::contact_number(n).id);
  BOOST_TEST(ids.size() == 1'000U);
  // `python3 -c "import hashlib; print(hashlib.blake2b(bytes(32), digest_size=32).hexdigest())"`
  BOOST_TEST(to_hex(id_of(public_key{})) == "89eb0d6a8a691dae2cd15ed0369931ce0a949eca");
}

BOOST_AUTO_TEST_CASE(a_name_is_not_a_node) {
  const std::string text(32, '\0');
  BOOST_TEST((key_of(text) != id_of(public_key{})));
  BOOST_TEST((key_of("a") != key_of("b")));
  BOOST_TEST((key_of("a") == key_of("a")));
}
