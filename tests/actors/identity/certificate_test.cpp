#include "actors/identity/certificate.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

#include "tests/actors/identity/a_run.hpp"

using namespace swarm::identity;

BOOST_FIXTURE_TEST_CASE(a_certificate_is_the_runs_and_names_the_peer, a_run) {
  const auto facts = read_certificate(token.certificate_der);
  BOOST_REQUIRE(facts);
  BOOST_CHECK(facts->key == token.peer.key());
  BOOST_TEST(facts->not_before_s == now_s - backdate_s);
  BOOST_TEST(facts->not_after_s == now_s + 30 * day_s);
  BOOST_TEST(is_signed_by(token.certificate_der, run.key()));
  BOOST_TEST(!is_signed_by(token.certificate_der, key_pair::generate().key()));
}

BOOST_FIXTURE_TEST_CASE(an_authority_signs_itself_and_lasts, a_run) {
  const auto facts = read_certificate(authority);
  BOOST_REQUIRE(facts);
  BOOST_CHECK(facts->key == run.key());
  BOOST_TEST(facts->not_after_s == now_s + authority_valid_s);
  BOOST_TEST(is_signed_by(authority, run.key()));
}

BOOST_FIXTURE_TEST_CASE(no_bit_of_a_certificate_may_change, a_run) {
  const auto& der = token.certificate_der;
  for (size_t bit = 0; bit < 8 * der.size(); ++bit) {
    auto bad = der;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    BOOST_TEST(!is_signed_by(bad, run.key()), "bit " << bit);
  }
}

BOOST_FIXTURE_TEST_CASE(what_is_cut_off_or_continued_is_no_certificate, a_run) {
  const auto& der = token.certificate_der;
  for (size_t size = 0; size < der.size(); size += 11)
    BOOST_TEST(!read_certificate(der.substr(0, size)), "cut at " << size);
  BOOST_TEST(!read_certificate(der + "x"));
  BOOST_TEST(!read_certificate("nonsense"));
}

BOOST_FIXTURE_TEST_CASE(an_expired_one_can_be_made_and_says_so, a_run) {
  const auto der = make_certificate(run, authority, token.peer.key(), now_s - 9 * day_s, day_s);
  BOOST_TEST(read_certificate(der)->not_after_s == now_s - 8 * day_s);
}

BOOST_FIXTURE_TEST_CASE(tls_libraries_get_text, a_run) {
  BOOST_TEST(contains(certificate_pem(authority), "BEGIN CERTIFICATE"));
  BOOST_TEST(contains(private_key_pem(token.peer.seed()), "BEGIN PRIVATE KEY"));
  BOOST_TEST(certificate_pem("nonsense") == "");
}
