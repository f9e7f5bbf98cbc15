// Whose certificate is accepted, and what a dialler is told when it is not.

#include <boost/test/unit_test.hpp>

#include "tests/actors/transport/endpoint_rig.hpp"

using namespace swarm;
using namespace swarm::transport;
using namespace swarm::transport::test;

namespace {

/// What the dialler is told. The listener's user must not hear of it.
std::string told(endpoint_options dialler, endpoint_options listener) {
  party a{std::move(dialler)};
  party b{std::move(listener)};
  const auto link = a.end->dial(b.end->address());
  const auto ending = a.saw.wait_down(link);
  BOOST_REQUIRE(ending);
  BOOST_TEST((ending->reason == down_reason::refused), ending->sentence);
  BOOST_TEST(ending->sentence.find(b.end->address()) != std::string::npos);
  BOOST_TEST(a.saw.look([](witness& w) { return w.greeted.size() + w.up.size(); }) == 0U);
  BOOST_TEST(b.saw.look([](witness& w) { return w.greeted.size() + w.up.size(); }) == 0U);
  BOOST_TEST(eventually([&] { return b.end->counted().refused == 1; }));
  return ending->sentence;
}

endpoint_options with(std::optional<tls_options> tls) {
  auto result = listening();
  result.tls = std::move(tls);
  return result;
}

bool says(const std::string& sentence, const std::string& words) {
  BOOST_TEST_MESSAGE(sentence);
  return sentence.find(words) != std::string::npos;
}

const authority run;
const authority stranger;
constexpr int64_t day_s = 86'400;
/// 2100-01-01.
constexpr int64_t far_ahead_s = 4'102'444'800;

}  // namespace

BOOST_AUTO_TEST_CASE(an_expired_certificate_is_refused_at_either_end) {
  const auto expired = [] { return run.issue(authority::long_ago_s, day_s); };
  BOOST_TEST(says(told(with(run.issue()), with(expired())), "certificate has expired"));
  BOOST_TEST(says(told(with(expired()), with(run.issue())), "certificate has expired"));
}

BOOST_AUTO_TEST_CASE(a_certificate_of_the_future_is_refused_at_either_end) {
  const auto early = [] { return run.issue(far_ahead_s, day_s); };
  BOOST_TEST(says(told(with(run.issue()), with(early())), "not yet valid"));
  BOOST_TEST(says(told(with(early()), with(run.issue())), "refuses our certificate"));
}

BOOST_AUTO_TEST_CASE(a_certificate_of_another_authority_is_refused_at_either_end) {
  auto forged = stranger.issue();
  forged.authority = run.issue().authority;
  BOOST_TEST(says(told(with(run.issue()), with(stranger.issue())), "its certificate was refused"));
  BOOST_TEST(says(told(with(stranger.issue()), with(run.issue())), "its certificate was refused"));
  BOOST_TEST(says(told(with(run.issue()), with(forged)), "its certificate was refused"));
  BOOST_TEST(says(told(with(forged), with(run.issue())), "it is not of its run's authority"));
}

BOOST_AUTO_TEST_CASE(plain_text_at_a_tls_port_is_told) {
  BOOST_TEST(says(told(with(std::nullopt), with(run.issue())), "it speaks TLS"));
}

BOOST_AUTO_TEST_CASE(tls_at_a_plain_port_is_told) {
  BOOST_TEST(says(told(with(run.issue()), with(std::nullopt)), "it answers in plain text"));
}

BOOST_AUTO_TEST_CASE(a_refusal_for_its_time_names_the_clock) {
  const auto expired = [] { return run.issue(authority::long_ago_s, day_s); };
  const auto early = [] { return run.issue(far_ahead_s, day_s); };
  BOOST_TEST(says(told(with(run.issue()), with(expired())), "the clock here says 2"));
  BOOST_TEST(says(told(with(expired()), with(run.issue())), "the clock here says 2"));
  BOOST_TEST(says(told(with(run.issue()), with(early())), "check both clocks"));
  BOOST_TEST(says(told(with(early()), with(run.issue())), "check both clocks"));
}
