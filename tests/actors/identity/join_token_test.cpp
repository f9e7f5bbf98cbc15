#include "actors/identity/join_token.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

#include "tests/actors/identity/a_run.hpp"

using namespace swarm::identity;

namespace {

std::string sentence(const std::variant<join_token, std::string>& parsed) {
  const auto* why = std::get_if<std::string>(&parsed);
  return why == nullptr ? "" : *why;
}

std::string sentence(const char* text) {
  return sentence(parse_token(text, now_s));
}

std::string sentence(const std::string& text) {
  return sentence(parse_token(text, now_s));
}

/// A line whose checksum is right, whatever the bytes are.
std::string with_checksum(const std::string& bytes) {
  return "swarm1." + to_base64url(bytes + fingerprint(bytes).substr(0, 16));
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_token_comes_back_from_its_line, a_run) {
  const auto text = to_text(token);
  BOOST_TEST(text.find('\n') == std::string::npos);
  const auto parsed = parse_token(" " + text + "\r\n", now_s);
  BOOST_TEST(sentence(parsed) == "");
  const auto& back = std::get<join_token>(parsed);
  BOOST_CHECK(back.run_key == run.key());
  BOOST_TEST(back.run_name == "demo");
  BOOST_CHECK(back.peer.key() == token.peer.key());
  BOOST_CHECK(back.peer.seed() == token.peer.seed());
  BOOST_TEST(back.authority_der == authority);
  BOOST_TEST(back.certificate_der == token.certificate_der);
  BOOST_TEST(back.not_after_s == now_s + 30 * day_s);
  BOOST_TEST(back.addresses == token.addresses, boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(the_largest_token_comes_back, a_run) {
  token.run_name = std::string(run_name_bytes_max, 'n');
  token.addresses.assign(token_addresses_max, std::string(address_bytes_max, 'a'));
  const auto text = to_text(token);
  BOOST_TEST(text.size() <= token_bytes_max);
  BOOST_TEST(sentence(text) == "");
}

BOOST_FIXTURE_TEST_CASE(a_token_that_was_changed_anywhere_is_refused, a_run) {
  const auto text = to_text(token);
  for (size_t i = 0; i < text.size(); ++i) {
    auto bad = text;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    const auto why = sentence(bad);
    BOOST_TEST(why != "", "changed at " << i);
    BOOST_TEST(!contains(why, text.substr(20, 20)));
  }
}

BOOST_FIXTURE_TEST_CASE(a_token_that_was_cut_off_anywhere_says_how_much_is_there, a_run) {
  const auto text = to_text(token);
  const auto all = "of " + std::to_string(text.size()) + " characters";
  for (size_t i = 0; i < text.size(); ++i) {
    const auto why = sentence(text.substr(0, i));
    BOOST_TEST(why != "", "cut at " << i);
    if (i >= 7) BOOST_TEST(contains(why, "cut off"), "cut at " << i << ": " << why);
    if (i >= 20) BOOST_TEST(contains(why, all), "cut at " << i << ": " << why);
  }
}

BOOST_FIXTURE_TEST_CASE(bytes_of_any_number_are_refused_though_their_checksum_is_right, a_run) {
  const auto text = to_text(token);
  auto bytes = from_base64url(text.substr(7)).value();
  bytes.resize(bytes.size() - 16);
  BOOST_TEST(sentence(with_checksum(bytes)) == "");
  for (size_t size = 0; size < bytes.size(); size += 5)
    BOOST_TEST(sentence(with_checksum(bytes.substr(0, size))) != "", size << " bytes");
  for (size_t more = 1; more < 8; ++more)
    BOOST_TEST(sentence(with_checksum(bytes + std::string(more, 'x'))) != "", more << " more");
}

BOOST_FIXTURE_TEST_CASE(each_fault_of_a_token_has_its_sentence, a_run) {
  const auto text = to_text(token);
  for (const char* other : {"", " ", "hello", "swarm", "swarming.abc", "swarm.abc"})
    BOOST_TEST(contains(sentence(other), "not a token"), other);
  BOOST_TEST(contains(sentence("swarm2.abc"), "another version, swarm2 there and swarm1 here"));
  BOOST_TEST(contains(sentence(std::string(token_bytes_max + 1, 'A')), "too long"));
  BOOST_TEST(contains(sentence(text + text), "changed"));
  BOOST_TEST(contains(sentence(text.substr(0, 40) + "*" + text.substr(41)), "changed"));
  BOOST_TEST(contains(sentence(parse_token(text, now_s + 31 * day_s)), "expired 24 hours ago"));
  BOOST_TEST(contains(sentence(parse_token(text, now_s - 2 * day_s)), "not valid yet"));
  auto foreign = token;
  foreign.run_key = key_pair::generate().key();
  BOOST_TEST(contains(sentence(to_text(foreign)), "not the run's"));
  auto stolen = token;
  stolen.peer = key_pair::generate();
  BOOST_TEST(contains(sentence(to_text(stolen)), "does not fit"));
  const a_run other;
  auto mixed = token;
  mixed.certificate_der = other.token.certificate_der;
  BOOST_TEST(contains(sentence(to_text(mixed)), "not of this run"));
  auto hollow = token;
  hollow.certificate_der = "x";
  BOOST_TEST(contains(sentence(to_text(hollow)), "cannot be read"));
}
