#include "actors/peer/admission.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

#include "actors/identity/keys.hpp"

using namespace swarm;
using peer::acquaintance;
using peer::admission;

namespace {

peer::self_description somebody(uint8_t key) {
  peer::self_description self;
  self.run_key.fill(9);
  self.key.fill(key);
  self.life = 100U + key;
  self.announce = "host:" + std::to_string(key);
  self.id_of = [](const peer::key_bytes& k) { return peer_id{k[0]}; };
  return self;
}

transport::remote remote_of(const admission& who) {
  transport::remote result;
  result.greeting = who.greeting(1'000);
  return result;
}

std::string refusal(const admission& here, const transport::remote& who) {
  const auto checked = here.check(who);
  const auto* sentence = std::get_if<std::string>(&checked);
  return sentence == nullptr ? "" : *sentence;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(who_is_of_the_same_run_is_let_in_as_what_it_says) {
  const admission here{somebody(1), "abc"};
  const admission there{somebody(2), "abc"};
  const auto checked = here.check(remote_of(there));
  const auto* who = std::get_if<acquaintance>(&checked);
  BOOST_REQUIRE(who != nullptr);
  BOOST_CHECK(who->peer == peer_id{2});
  BOOST_TEST(who->life == 102U);
  BOOST_TEST(who->announce == "host:2");
  BOOST_TEST(!who->observer);
  BOOST_TEST(who->unix_ms == 1'000);
}

BOOST_AUTO_TEST_CASE(another_protocol_version_is_refused_with_both) {
  auto newer = somebody(2);
  newer.protocol_version = 7;
  const auto why = refusal({somebody(1), ""}, remote_of({newer, ""}));
  BOOST_TEST(contains(why, "version 1 here, 7 there"), why);
}

BOOST_AUTO_TEST_CASE(another_run_is_refused_with_both) {
  auto stranger = somebody(2);
  stranger.run_key.fill(8);
  const auto why = refusal({somebody(1), ""}, remote_of({stranger, ""}));
  BOOST_TEST(contains(why, "0909090909090909 here, 0808080808080808 there"), why);
}

BOOST_AUTO_TEST_CASE(another_description_is_refused_with_both_once_both_are_known) {
  admission here{somebody(1), ""};
  const admission there{somebody(2), "bbb"};
  BOOST_TEST(refusal(here, remote_of(there)) == "");
  here.learn_description("aaa");
  const auto why = refusal(here, remote_of(there));
  BOOST_TEST(contains(why, "aaa here, bbb there"), why);
  BOOST_TEST(refusal(here, remote_of({somebody(3), ""})) == "");
}

BOOST_AUTO_TEST_CASE(a_key_other_than_the_certificates_is_refused) {
  const admission here{somebody(1), ""};
  auto who = remote_of({somebody(2), ""});
  who.key.emplace();
  who.key->fill(2);
  BOOST_TEST(refusal(here, who) == "");
  who.key->fill(3);
  BOOST_TEST(contains(refusal(here, who), "the certificate proves 0303"));
}

BOOST_AUTO_TEST_CASE(itself_is_refused) {
  const admission here{somebody(1), ""};
  BOOST_TEST(contains(refusal(here, remote_of(here)), "itself"));
}

BOOST_AUTO_TEST_CASE(another_process_with_the_same_token_is_refused_and_named) {
  auto later = somebody(1);
  later.life += 1;
  later.agent = "swarm peer";
  later.started_unix_ms = 1'700'000'000'000;
  const auto why = refusal({somebody(1), ""}, remote_of({later, ""}));
  for (const char* part : {"same token", "swarm peer at host:1", "2023-11-14 22:13:20 UTC"})
    BOOST_TEST(contains(why, part), why);
}

BOOST_AUTO_TEST_CASE(a_later_life_is_believed_when_it_is_signed_with_the_own_key) {
  const auto keys = identity::key_pair::generate();
  auto early = somebody(1);
  early.key = keys.key();
  early.started_unix_ms = 5;
  early.sign = [keys](const std::string& text) {
    return std::string{identity::view(keys.sign(peer::life_domain, text))};
  };
  auto late = early;
  late.started_unix_ms = 6;
  const admission here{early, ""};
  const auto found = here.rival_in(admission{late, ""}.greeting(0));
  BOOST_REQUIRE(found.has_value());
  BOOST_TEST(found->announce == "host:1");
  BOOST_TEST(found->started_unix_ms == 6);
  // The later one is not told, nor anybody by itself.
  BOOST_TEST(!admission(late, "").rival_in(here.greeting(0)));
  BOOST_TEST(!here.rival_in(here.greeting(0)));
  // Made up: not signed, signed by somebody else, of another run, another peer's, an observer's.
  auto liar = late;
  liar.sign = nullptr;
  BOOST_TEST(!here.rival_in(admission{liar, ""}.greeting(0)));
  liar.sign = [](const std::string& text) {
    return std::string{
        identity::view(identity::key_pair::generate().sign(peer::life_domain, text))};
  };
  BOOST_TEST(!here.rival_in(admission{liar, ""}.greeting(0)));
  auto elsewhere = late;
  elsewhere.run_key.fill(8);
  BOOST_TEST(!here.rival_in(admission{elsewhere, ""}.greeting(0)));
  auto other = late;
  other.key.fill(7);
  BOOST_TEST(!here.rival_in(admission{other, ""}.greeting(0)));
  auto looker = late;
  looker.observer = true;
  BOOST_TEST(!here.rival_in(admission{looker, ""}.greeting(0)));
  BOOST_TEST(!here.rival_in("nonsense"));
}

BOOST_AUTO_TEST_CASE(texts_beyond_the_limit_are_refused) {
  auto loud = somebody(2);
  loud.agent.assign(peer::greeting_text_bytes_max + 1, 'x');
  BOOST_TEST(contains(refusal({somebody(1), ""}, remote_of({loud, ""})), "too long"));
}

BOOST_AUTO_TEST_CASE(a_damaged_greeting_is_refused_whatever_was_hit) {
  const admission here{somebody(1), ""};
  const auto good = remote_of({somebody(2), "abc"});
  for (size_t i = 0; i < good.greeting.size(); ++i) {
    for (const int flip : {1, 0x80, 0xff}) {
      auto bad = good;
      bad.greeting[i] = static_cast<char>(bad.greeting[i] ^ flip);
      // Refused or another text: never a crash.
      here.check(bad);
    }
    auto cut = good;
    cut.greeting.resize(i);
    BOOST_TEST(refusal(here, cut) != "", "cut at " << i);
  }
}

BOOST_AUTO_TEST_CASE(where_it_is_reached_may_be_known_late) {
  auto late = somebody(2);
  late.announce.clear();
  admission there{late, ""};
  there.announce("host:4711");
  const auto checked = admission{somebody(1), ""}.check(remote_of(there));
  BOOST_TEST(std::get<acquaintance>(checked).announce == "host:4711");
}

BOOST_AUTO_TEST_CASE(an_observer_may_have_a_peers_token_and_is_somebody_else) {
  auto looker = somebody(1);
  looker.observer = true;
  const admission peer{somebody(1), ""};
  const auto checked = peer.check(remote_of({looker, ""}));
  BOOST_REQUIRE(std::holds_alternative<acquaintance>(checked));
  BOOST_CHECK(std::get<acquaintance>(checked).peer != peer_id{1});
  BOOST_TEST(std::get<acquaintance>(checked).observer);
  BOOST_TEST(refusal({looker, ""}, remote_of(peer)) == "");
}

BOOST_AUTO_TEST_CASE(other_kernels_are_refused_by_both_sides_of_a_reproducible_run) {
  auto one = somebody(1);
  one.kernels = "OpenBLAS 0.3.21 Haswell";
  auto other = somebody(2);
  other.kernels = "OpenBLAS 0.3.29 Haswell";
  const admission here{one, "abc", true};
  const admission there{other, "abc", true};
  BOOST_TEST(contains(refusal(here, remote_of(there)),
                      "'OpenBLAS 0.3.21 Haswell' here, 'OpenBLAS 0.3.29 Haswell' there"));
  BOOST_TEST(contains(refusal(there, remote_of(here)),
                      "'OpenBLAS 0.3.29 Haswell' here, 'OpenBLAS 0.3.21 Haswell' there"));
  other.key.fill(3);
  other.kernels = one.kernels;
  BOOST_TEST(refusal(here, remote_of({other, "abc", true})) == "");
  // One that says nothing is not believed to have them.
  other.kernels.clear();
  BOOST_TEST(contains(refusal(here, remote_of({other, "abc", true})), "there"));
}

BOOST_AUTO_TEST_CASE(other_kernels_are_let_in_where_they_do_no_harm) {
  auto one = somebody(1);
  one.kernels = "one";
  auto other = somebody(2);
  other.kernels = "other";
  // A run in float mode.
  BOOST_TEST(refusal({one, "abc"}, remote_of({other, "abc"})) == "");
  // Who does not know the run yet.
  BOOST_TEST(refusal({one, "abc", true}, remote_of({other, ""})) == "");
  // Who only looks on.
  other.observer = true;
  BOOST_TEST(refusal({one, "abc", true}, remote_of({other, "abc"})) == "");
  const auto checked = admission{one, "abc", true}.check(remote_of({other, "abc"}));
  BOOST_TEST(std::get<acquaintance>(checked).kernels == "other");
}
