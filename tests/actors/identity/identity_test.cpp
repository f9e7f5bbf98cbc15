#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <fstream>
#include <string>

#include "actors/identity/certificate.hpp"
#include "actors/identity/join_token.hpp"
#include "actors/identity/keys.hpp"
#include "actors/identity/run_description.hpp"
#include "actors/identity/secret_file.hpp"

using namespace swarm;
using namespace swarm::identity;

namespace {

constexpr int64_t now_s = 1'800'000'000;
constexpr int64_t day_s = 86'400;

struct a_run {
  key_pair run = key_pair::generate();
  std::string authority = make_authority(run, "demo", now_s, 30 * day_s);
  join_token token = issue_token(run, "demo", authority, now_s, 30 * day_s, {"h:1", "h:2"});
};

run_description description() {
  run_description result;
  result.name = "demo";
  result.model.layers = 4;
  result.stages = 2;
  result.rows = 4;
  result.microbatches = 8;
  result.seed = 7;
  result.reproducible = true;
  result.steps = 100;
  result.data_source = "/a/b";
  result.data_hash = "cafe";
  result.optimizer.learning_rate = 3e-4;
  return result;
}

std::string sentence(const std::variant<join_token, std::string>& parsed) {
  const auto* why = std::get_if<std::string>(&parsed);
  return why == nullptr ? "" : *why;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
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

BOOST_AUTO_TEST_CASE(ids_follow_from_keys_and_leave_the_top_bit) {
  for (int i = 0; i < 100; ++i) {
    const auto id = peer_id_of(key_pair::generate().key());
    BOOST_TEST(id.value() != 0U);
    BOOST_TEST(id.value() >> 63 == 0U);
  }
}

BOOST_AUTO_TEST_CASE(base64url_comes_back_and_anything_else_does_not) {
  for (const std::string text : {"", "a", "ab", "abc", "\xff\xfe\x00x"})
    BOOST_CHECK(from_base64url(to_base64url(text)) == text);
  BOOST_CHECK(!from_base64url("a+b="));
  BOOST_CHECK(!from_base64url("ab c"));
}

BOOST_FIXTURE_TEST_CASE(a_certificate_is_the_runs_and_names_the_peer, a_run) {
  const auto facts = read_certificate(token.certificate_der);
  BOOST_REQUIRE(facts);
  BOOST_CHECK(facts->key == token.peer.key());
  BOOST_TEST(facts->not_before_s == now_s - backdate_s);
  BOOST_TEST(facts->not_after_s == now_s + 30 * day_s);
  BOOST_TEST(is_signed_by(token.certificate_der, run.key()));
  BOOST_TEST(!is_signed_by(token.certificate_der, key_pair::generate().key()));
  BOOST_TEST(contains(certificate_pem(authority), "BEGIN CERTIFICATE"));
  BOOST_TEST(contains(private_key_pem(token.peer.seed()), "BEGIN PRIVATE KEY"));
  BOOST_TEST(!read_certificate("nonsense"));
}

BOOST_FIXTURE_TEST_CASE(a_token_comes_back_from_its_line, a_run) {
  const auto text = to_text(token);
  BOOST_TEST(text.find('\n') == std::string::npos);
  const auto parsed = parse_token(text + "\n", now_s);
  BOOST_TEST(sentence(parsed) == "");
  const auto& back = std::get<join_token>(parsed);
  BOOST_CHECK(back.run_key == run.key());
  BOOST_TEST(back.run_name == "demo");
  BOOST_CHECK(back.peer.key() == token.peer.key());
  BOOST_TEST(back.addresses.size() == 2U);
}

BOOST_FIXTURE_TEST_CASE(a_token_that_was_changed_anywhere_is_refused, a_run) {
  const auto text = to_text(token);
  for (size_t i = 0; i < text.size(); i += 7) {
    auto bad = text;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    if (bad == text) continue;
    const auto why = sentence(parse_token(bad, now_s));
    BOOST_TEST(why != "", "changed at " << i);
    BOOST_TEST(!contains(why, text.substr(20, 20)));
    BOOST_TEST(sentence(parse_token(text.substr(0, i), now_s)) != "", "cut at " << i);
  }
}

BOOST_FIXTURE_TEST_CASE(each_fault_of_a_token_has_its_sentence, a_run) {
  const auto text = to_text(token);
  BOOST_TEST(contains(sentence(parse_token("hello", now_s)), "not a token"));
  BOOST_TEST(contains(sentence(parse_token("swarm2.abc", now_s)), "another version"));
  BOOST_TEST(contains(sentence(parse_token(text.substr(0, 100), now_s)), "cut off"));
  BOOST_TEST(contains(sentence(parse_token(text, now_s + 31 * day_s)), "expired 24 hours ago"));
  BOOST_TEST(contains(sentence(parse_token(text, now_s - 2 * day_s)), "not valid yet"));
  auto foreign = token;
  foreign.run_key = key_pair::generate().key();
  BOOST_TEST(contains(sentence(parse_token(to_text(foreign), now_s)), "not the run's"));
  auto stolen = token;
  stolen.peer = key_pair::generate();
  BOOST_TEST(contains(sentence(parse_token(to_text(stolen), now_s)), "does not fit"));
  const a_run other;
  auto mixed = token;
  mixed.certificate_der = other.token.certificate_der;
  BOOST_TEST(contains(sentence(parse_token(to_text(mixed), now_s)), "not of this run"));
}

BOOST_AUTO_TEST_CASE(a_description_comes_back_signed_and_with_its_hash) {
  const auto run = key_pair::generate();
  const auto before = description();
  const auto bytes = sign_description(before, run);
  const auto read = read_description(bytes, run.key());
  BOOST_REQUIRE(std::holds_alternative<run_description>(read));
  const auto& after = std::get<run_description>(read);
  BOOST_TEST(canonical_bytes(after) == canonical_bytes(before));
  BOOST_TEST(description_hash(after) == description_hash(before));
  BOOST_TEST(description_hash(before).size() == 32U);
  BOOST_CHECK(signer_of(bytes) == run.key());
  auto other = before;
  other.seed = 8;
  BOOST_TEST(description_hash(other) != description_hash(before));
}

BOOST_AUTO_TEST_CASE(a_description_that_was_changed_anywhere_is_refused) {
  const auto run = key_pair::generate();
  const auto bytes = sign_description(description(), run);
  size_t harmless = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    auto bad = bytes;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    const auto read = read_description(bad, run.key());
    // The copy of the run's key beside it is for whoever has no token; it is not what is trusted.
    harmless += std::holds_alternative<run_description>(read) ? 1 : 0;
    if (const auto* same = std::get_if<run_description>(&read))
      BOOST_TEST(canonical_bytes(*same) == canonical_bytes(description()));
  }
  BOOST_TEST(harmless <= 48U);
  const auto other = key_pair::generate();
  BOOST_TEST(std::holds_alternative<std::string>(read_description(bytes, other.key())));
}

BOOST_AUTO_TEST_CASE(another_protocol_version_is_refused_with_both) {
  const auto run = key_pair::generate();
  auto newer = description();
  newer.protocol = 9;
  const auto read = read_description(sign_description(newer, run), run.key());
  BOOST_TEST(contains(std::get<std::string>(read), "version 1 here, 9 in"));
}

BOOST_AUTO_TEST_CASE(a_description_that_makes_no_sense_is_refused_though_signed) {
  const auto run = key_pair::generate();
  auto broken = description();
  broken.stages = 9;
  BOOST_CHECK(std::holds_alternative<std::string>(
      read_description(sign_description(broken, run), run.key())));
}

BOOST_AUTO_TEST_CASE(a_secret_file_is_its_owners_alone_and_never_replaced) {
  const char* base = std::getenv("TEST_TMPDIR");
  const auto path = std::string{base == nullptr ? "/tmp" : base} + "/secret_file_test";
  unlink(path.c_str());
  BOOST_TEST(!write_secret(path, "hush"));
  const auto again = write_secret(path, "other");
  BOOST_REQUIRE(again);
  BOOST_TEST(contains(*again, "exists already"));
  const auto text = read_secret(path);
  BOOST_TEST(std::get<std::string>(text) == "hush");
  chmod(path.c_str(), 0644);
  const auto refused = read_secret(path);
  BOOST_TEST(contains(std::get<secret_failure>(refused).sentence, "chmod 600"));
  unlink(path.c_str());
  BOOST_CHECK(std::holds_alternative<secret_failure>(read_secret(path)));
}
