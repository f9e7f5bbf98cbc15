#include "actors/identity/keys.hpp"

#include <boost/test/unit_test.hpp>
#include <memory>
#include <new>
#include <set>
#include <string>

using namespace swarm;
using namespace swarm::identity;

namespace {

template <size_t Size>
std::array<uint8_t, Size> from_hex(const std::string& text) {
  std::array<uint8_t, Size> result{};
  for (size_t i = 0; i < Size; ++i)
    result[i] = static_cast<uint8_t>(std::stoul(text.substr(2 * i, 2), nullptr, 16));
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_signature_holds_for_its_bytes_domain_and_key_only) {
  const auto one = key_pair::generate();
  const auto two = key_pair::generate();
  const auto sig = one.sign("a", "text");
  BOOST_TEST(verify("a", "text", sig, one.key()));
  BOOST_TEST(!verify("b", "text", sig, one.key()));
  BOOST_TEST(!verify("a", "texu", sig, one.key()));
  BOOST_TEST(!verify("a", "text", sig, two.key()));
  BOOST_CHECK(key_pair::from_seed(one.seed()).key() == one.key());
}

BOOST_AUTO_TEST_CASE(a_domain_does_not_run_into_the_text) {
  const auto key = key_pair::generate();
  BOOST_TEST(!verify("a", "btext", key.sign("ab", "text"), key.key()));
}

BOOST_AUTO_TEST_CASE(no_bit_of_a_signature_may_change) {
  const auto key = key_pair::generate();
  const auto sig = key.sign("a", "text");
  for (size_t bit = 0; bit < 8 * sig.size(); ++bit) {
    auto bad = sig;
    bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ (1 << (bit % 8)));
    BOOST_TEST(!verify("a", "text", bad, key.key()), "bit " << bit);
  }
}

BOOST_AUTO_TEST_CASE(keys_are_those_of_rfc_8032) {
  // Section 7.1, test 1.
  const auto seed =
      from_hex<32>("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
  const auto key = from_hex<32>("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  BOOST_CHECK(key_pair::from_seed(seed).key() == key);
}

BOOST_AUTO_TEST_CASE(a_secret_is_wiped_when_its_key_goes) {
  alignas(key_pair) unsigned char place[sizeof(key_pair)];
  auto* key = new (place) key_pair{key_pair::generate()};
  const auto seed = key->seed();
  const auto holds = [&] {
    // Volatile: after the destructor nobody may assume what the bytes are.
    const volatile auto* bytes = place;
    const std::string all(bytes, bytes + sizeof(place));
    return all.find(std::string{view(seed)}) != std::string::npos;
  };
  BOOST_TEST(holds());
  key->~key_pair();
  BOOST_TEST(!holds());
}

BOOST_AUTO_TEST_CASE(ids_follow_from_keys_and_leave_the_top_bit) {
  std::set<uint64_t> ids;
  for (int i = 0; i < 100; ++i) {
    const auto key = key_pair::generate().key();
    const auto id = peer_id_of(key);
    BOOST_TEST(id.value() != 0U);
    BOOST_TEST(id.value() >> 63 == 0U);
    BOOST_CHECK(id == peer_id_of(key));
    ids.insert(id.value());
  }
  BOOST_TEST(ids.size() == 100U);
}

BOOST_AUTO_TEST_CASE(base64url_comes_back_and_anything_else_does_not) {
  for (const std::string text : {"", "a", "ab", "abc", "\xff\xfe\x01x"})
    BOOST_CHECK(from_base64url(to_base64url(text)) == text);
  for (const char* bad : {"a+b=", "ab c", "a", "YQ==", "YR"})
    BOOST_TEST(!from_base64url(bad), bad);
}

BOOST_AUTO_TEST_CASE(hexadecimal_and_fingerprints_have_a_known_form) {
  BOOST_TEST(to_hex(std::string{"\x00\xffz", 3}) == "00ff7a");
  // `printf '' | b2sum -l 128`
  BOOST_TEST(fingerprint("") == "cae66941d9efbd404e4d88758ea67670");
}
