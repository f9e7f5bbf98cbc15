#include "actors/dht/record.hpp"

#include <boost/test/unit_test.hpp>
#include <functional>
#include <vector>

#include "tests/actors/dht/keys.hpp"

using namespace swarm;
using namespace swarm::dht;
using dht::testing::key_number;
using dht::testing::make_record;

BOOST_AUTO_TEST_CASE(a_signed_record_holds_and_no_field_of_it_can_be_changed) {
  const auto owner = key_number(1);
  const auto good = make_record(owner, "stage 1", "throughput 12", 7, 1'000'000, "worker");
  BOOST_TEST(signature_holds(good));
  const std::vector<std::function<void(signed_record&)>> changes{
      [](auto& r) { r.key.bytes[19] ^= 1; }, [](auto& r) { r.subkey.back() ^= 1; },
      [](auto& r) { r.value[0] ^= 1; }, [](auto& r) { r.value += 'x'; },
      [](auto& r) { r.value.clear(); }, [](auto& r) { ++r.sequence; },
      [](auto& r) { r.expires_unix_ms += 1; }, [](auto& r) { r.owner = key_number(2).open_half(); },
      [](auto& r) { r.signature[63] ^= 1; },
      // The boundary between two texts is signed, too.
      [](auto& r) {
        r.value = r.subkey.back() + r.value;
        r.subkey.pop_back();
      }};
  for (const auto& change : changes) {
    auto bad = good;
    change(bad);
    BOOST_TEST(!signature_holds(bad));
    BOOST_TEST(!(bad == good));
  }
}

BOOST_AUTO_TEST_CASE(any_flipped_bit_of_the_value_or_the_signature_breaks_it) {
  const auto good = make_record(key_number(1), "k", std::string(40, 'v'), 1, 1);
  splitmix64 random{5};
  for (int i = 0; i < 200; ++i) {
    auto bad = good;
    const auto bit = static_cast<uint8_t>(1U << random.below(8));
    if (i % 2 == 0) {
      bad.value[random.below(bad.value.size())] ^= static_cast<char>(bit);
    } else {
      bad.signature[random.below(bad.signature.size())] ^= bit;
    }
    BOOST_TEST(!signature_holds(bad));
  }
}

BOOST_AUTO_TEST_CASE(a_subkey_belongs_to_whose_key_it_begins_with) {
  const auto mine = key_number(1);
  auto record = make_record(mine, "k", "v", 1, 1, "text");
  BOOST_TEST(is_owners(record));
  BOOST_TEST(text_of(record) == "text");
  record.subkey = subkey_of(key_number(2).open_half(), "text");
  sign(record, mine);
  BOOST_TEST(signature_holds(record));
  BOOST_TEST(!is_owners(record));
  record.subkey = "short";
  BOOST_TEST(!is_owners(record));
  BOOST_TEST(text_of(record) == "");
}

BOOST_AUTO_TEST_CASE(limits_are_inclusive) {
  auto record = make_record(key_number(1), "k", std::string(value_bytes_max, 'v'), 1, 1,
                            std::string(subkey_text_bytes_max, 't'));
  BOOST_TEST(fits(record));
  record.value += 'v';
  BOOST_TEST(!fits(record));
  record.value.clear();
  record.subkey += 't';
  BOOST_TEST(!fits(record));
}

BOOST_AUTO_TEST_CASE(of_two_different_records_exactly_one_supersedes) {
  const auto owner = key_number(1);
  const auto older = make_record(owner, "k", "a", 1, 900);
  const auto newer = make_record(owner, "k", "b", 2, 100);
  BOOST_TEST(supersedes(newer, older));
  BOOST_TEST(!supersedes(older, newer));
  BOOST_TEST(!supersedes(older, older));
  const auto twin = make_record(owner, "k", "c", 1, 900);
  BOOST_TEST(supersedes(older, twin) != supersedes(twin, older));
}

BOOST_AUTO_TEST_CASE(a_proof_is_for_one_nonce_one_address_and_one_key) {
  const auto key = key_number(1);
  const auto proof = prove(key, "nonce", "host:1");
  BOOST_TEST(proof_holds(key.open_half(), "nonce", "host:1", proof));
  BOOST_TEST(!proof_holds(key.open_half(), "nonc", "ehost:1", proof));
  BOOST_TEST(!proof_holds(key.open_half(), "nonce", "host:2", proof));
  BOOST_TEST(!proof_holds(key_number(2).open_half(), "nonce", "host:1", proof));
}

BOOST_AUTO_TEST_CASE(draws_repeat_for_a_key_a_seed_and_a_counter_only) {
  const auto key = key_number(1);
  BOOST_TEST((key.draw(1, 1) == key.draw(1, 1)));
  BOOST_TEST((key.draw(1, 1) != key.draw(1, 2)));
  BOOST_TEST((key.draw(1, 1) != key.draw(2, 1)));
  BOOST_TEST((key.draw(1, 1) != key_number(2).draw(1, 1)));
}

BOOST_AUTO_TEST_CASE(generated_keys_differ_and_sign) {
  const auto a = signing_key::generate();
  const auto b = signing_key::generate();
  BOOST_TEST((a.open_half() != b.open_half()));
  BOOST_TEST(signature_holds(make_record(a, "k", "v", 1, 1)));
}
