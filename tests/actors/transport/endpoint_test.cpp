#include "actors/transport/endpoint.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "tests/actors/transport/endpoint_rig.hpp"
#include "tests/actors/transport/frames.hpp"

using namespace swarm;
using namespace swarm::transport;
using namespace swarm::transport::test;

namespace {

namespace data = boost::unit_test::data;

const bool plain_and_tls[] = {false, true};

endpoint_options options(bool tls) {
  static const authority run;
  auto result = listening();
  if (tls) result.tls = run.issue();
  return result;
}

bool says(const std::string& sentence, const std::string& words) {
  return sentence.find(words) != std::string::npos;
}

}  // namespace

BOOST_DATA_TEST_CASE(messages_of_every_size_arrive_both_ways, data::make(plain_and_tls), tls) {
  linked_pair pair{options(tls), options(tls)};
  std::map<uint64_t, wire::frame_ptr> sent;
  uint64_t request = 0;
  for (const size_t words : {1, 10, 2046, 2047, 2048, 32'768, 40'000, 1'000'000})
    for (const size_t parts : {1, 3}) {
      ++request;
      sent[request] = make_frame(words, parts, request);
    }
  sent.emplace(++request, nullptr);
  for (const auto& [number, frame] : sent) {
    pair.a.end->send(pair.at_a, head_with(number, frame ? 1 : 0), frame);
    pair.b.end->send(pair.at_b, head_with(number, frame ? 1 : 0), frame);
  }
  for (auto* to : {&pair.a.saw, &pair.b.saw}) {
    BOOST_REQUIRE(to->wait_messages(sent.size()));
    to->look([&](witness& w) {
      for (const auto& each : w.messages) {
        const auto& frame = sent.at(each.head.request);
        BOOST_TEST(!each.wrong);
        BOOST_TEST(each.checksum == (frame ? checksum(*frame) : 0));
      }
    });
  }
}

BOOST_DATA_TEST_CASE(a_greeting_comes_with_address_and_proven_key, data::make(plain_and_tls), tls) {
  const authority run;
  auto of_a = listening();
  auto of_b = listening();
  if (tls) of_b.tls = run.issue();
  const auto key_of_b = run.last_key;
  if (tls) of_a.tls = run.issue();
  const auto key_of_a = run.last_key;
  of_a.greeting = "i am a";
  of_b.greeting = std::string(greeting_bytes_max, 'b');
  linked_pair pair{std::move(of_a), std::move(of_b)};
  const auto of = [](party& p) { return p.saw.look([](witness& w) { return w.greeted.at(0); }); };
  const auto b = of(pair.a);
  BOOST_TEST(b.dialled);
  BOOST_TEST(b.address == pair.b.end->address());
  BOOST_TEST(b.greeting == std::string(greeting_bytes_max, 'b'));
  const auto a = of(pair.b);
  BOOST_TEST(!a.dialled);
  BOOST_TEST(says(a.address, "127.0.0.1:"));
  BOOST_TEST(a.greeting == "i am a");
  BOOST_TEST(a.key.has_value() == tls);
  BOOST_TEST(b.key.has_value() == tls);
  if (tls) {
    BOOST_TEST(*a.key == key_of_a, boost::test_tools::per_element());
    BOOST_TEST(*b.key == key_of_b, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(the_greeting_may_be_changed_after_opening) {
  party b{listening()};
  b.end->greet_with([text = "at " + b.end->address()] { return text; });
  party a{endpoint_options{}};
  a.end->dial(b.end->address());
  BOOST_REQUIRE(a.saw.wait_up());
  BOOST_TEST(a.saw.greeted.at(0).greeting == "at " + b.end->address());
  BOOST_TEST(a.end->address() == "");
}

BOOST_DATA_TEST_CASE(a_refused_greeting_is_told_to_both, data::make({0, 1, 2, 3}), which) {
  const bool tls = which % 2 != 0;
  const bool by_dialler = which / 2 != 0;
  party a{options(tls)};
  party b{options(tls)};
  (by_dialler ? a : b).saw.refusal = "another run: 5, not 6";
  const auto link = a.end->dial(b.end->address());
  const auto told = a.saw.wait_down(link);
  BOOST_REQUIRE(told);
  BOOST_TEST((told->reason == down_reason::refused), told->sentence);
  BOOST_TEST(says(told->sentence, "another run: 5, not 6"));
  BOOST_REQUIRE(b.saw.wait([&] { return b.saw.endings == 1; }));
  const auto other = b.saw.look([](witness& w) { return w.down.begin()->second; });
  BOOST_TEST((other.reason == down_reason::refused), other.sentence);
  BOOST_TEST(says(other.sentence, "another run: 5, not 6"));
  BOOST_TEST(a.saw.look([](witness& w) { return w.up.size(); }) == 0U);
}

BOOST_DATA_TEST_CASE(closing_sends_what_was_queued_and_says_why, data::make(plain_and_tls), tls) {
  linked_pair pair{options(tls), options(tls)};
  for (uint64_t i = 0; i < 20; ++i)
    pair.a.end->send(pair.at_a, head_with(i), make_frame(i % 2 == 0 ? 100'000 : 10, 1, i));
  pair.a.end->close(pair.at_a, "enough for today");
  pair.a.end->send(pair.at_a, head_with(99), make_frame(10));
  const auto here = pair.a.saw.wait_down(pair.at_a);
  const auto there = pair.b.saw.wait_down(pair.at_b);
  BOOST_REQUIRE(here);
  BOOST_REQUIRE(there);
  BOOST_TEST((here->reason == down_reason::closed));
  BOOST_TEST((there->reason == down_reason::closed));
  BOOST_TEST(says(there->sentence, "enough for today"));
  BOOST_TEST(pair.b.saw.look([](witness& w) { return w.messages.size(); }) == 20U);
}

BOOST_AUTO_TEST_CASE(an_endpoint_that_goes_takes_leave) {
  linked_pair pair{options(true), options(true)};
  pair.a.end.reset();
  BOOST_TEST(pair.a.saw.endings == 1);
  const auto there = pair.b.saw.wait_down(pair.at_b);
  BOOST_REQUIRE(there);
  BOOST_TEST((there->reason == down_reason::closed), there->sentence);
}

BOOST_AUTO_TEST_CASE(an_endpoint_goes_in_the_middle_of_everything) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    linked_pair pair{options(seed % 2 == 0), options(seed % 2 == 0)};
    const auto dialling = pair.a.end->dial(pair.b.end->address());
    for (uint64_t i = 0; i < 5; ++i) {
      pair.a.end->send(pair.at_a, head_with(i), make_frame(300'000, 1, i));
      pair.b.end->send(pair.at_b, head_with(i), make_frame(300'000, 1, i));
    }
    pair.b.saw.wait_messages(seed % 5);
    pair.a.end.reset();
    BOOST_TEST(pair.a.saw.down.count(pair.at_a) == 1U);
    BOOST_TEST(pair.a.saw.down.count(dialling) == 1U);
    BOOST_TEST(pair.b.saw.wait_down(pair.at_b).has_value());
  }
}

BOOST_AUTO_TEST_CASE(nobody_at_the_address_is_said_at_once) {
  party a{endpoint_options{}};
  std::string address;
  {
    party b{listening()};
    address = b.end->address();
  }
  const auto told = a.saw.wait_down(a.end->dial(address));
  BOOST_REQUIRE(told);
  BOOST_TEST((told->reason == down_reason::unreachable));
  BOOST_TEST(says(told->sentence, address));
  BOOST_TEST(says(told->sentence, "refused"));
}

BOOST_AUTO_TEST_CASE(an_address_that_is_none_is_said_at_once) {
  party a{endpoint_options{}};
  for (const char* address : {"", "nonsense", "host:", ":80", "127.0.0.1:99999", "::1:80", "[]:1",
                              "127.0.0.1:-1", "a:b:80"}) {
    const auto told = a.saw.wait_down(a.end->dial(address));
    BOOST_REQUIRE(told);
    BOOST_TEST((told->reason == down_reason::unreachable));
    BOOST_TEST(says(told->sentence, "host:port"), told->sentence);
  }
}

BOOST_AUTO_TEST_CASE(names_and_both_families_are_understood) {
  for (const char* bind : {"localhost:0", "[::1]:0", "127.0.0.1:0"}) {
    auto options = listening();
    options.bind = bind;
    party b{options};
    party a{endpoint_options{}};
    a.end->dial(b.end->address());
    BOOST_TEST(a.saw.wait_up().has_value(), bind);
  }
  party b{listening()};
  party a{endpoint_options{}};
  a.end->dial("localhost" + b.end->address().substr(b.end->address().rfind(':')));
  BOOST_TEST(a.saw.wait_up().has_value());
}

BOOST_AUTO_TEST_CASE(plain_tcp_beyond_loopback_is_refused) {
  witness nobody;
  endpoint_options options;
  options.bind = "0.0.0.0:0";
  const auto opened = endpoint::open(options, nobody);
  BOOST_REQUIRE(std::holds_alternative<std::string>(opened));
  BOOST_TEST(says(std::get<std::string>(opened), "insecure"));
  options.insecure = true;
  party allowed{options};
  party dialler{endpoint_options{}};
  const auto told = dialler.saw.wait_down(dialler.end->dial("192.0.2.1:9"));
  BOOST_REQUIRE(told);
  BOOST_TEST(says(told->sentence, "insecure"), told->sentence);
  const authority run;
  options.insecure = false;
  options.tls = run.issue();
  party with_tls{options};
}

BOOST_AUTO_TEST_CASE(options_that_cannot_be_are_refused_with_a_sentence) {
  witness nobody;
  const auto refusal = [&](endpoint_options options) {
    auto opened = endpoint::open(std::move(options), nobody);
    auto* sentence = std::get_if<std::string>(&opened);
    return sentence == nullptr ? std::string{} : *sentence;
  };
  const authority run;
  const authority other;
  auto options = listening();
  options.bind = "127.0.0.1";
  BOOST_TEST(says(refusal(options), "host:port"));
  party taken{listening()};
  options.bind = taken.end->address();
  BOOST_TEST(says(refusal(options), "in use"));
  options = listening();
  options.greeting = std::string(greeting_bytes_max + 1, 'x');
  BOOST_TEST(says(refusal(options), "greeting"));
  options = listening();
  options.silence_timeout = options.heartbeat_interval;
  BOOST_TEST(says(refusal(options), "silence_timeout"));
  options = listening();
  options.tls = run.issue();
  options.tls->key = other.issue().key;
  BOOST_TEST(says(refusal(options), "belong together"));
  for (auto field : {&tls_options::authority, &tls_options::certificate, &tls_options::key}) {
    options.tls = run.issue();
    (*options.tls).*field = "no PEM text";
    BOOST_TEST(says(refusal(options), "PEM"));
  }
}

BOOST_AUTO_TEST_CASE(bytes_are_counted_by_lane) {
  linked_pair pair{options(false), options(false)};
  const auto small = make_frame(100);
  const auto large = make_frame(100'000);
  pair.a.end->send(pair.at_a, head_with(1), small);
  pair.a.end->send(pair.at_a, head_with(2), small);
  pair.a.end->send(pair.at_a, head_with(3), large);
  BOOST_REQUIRE(pair.b.saw.wait_messages(3));
  pair.a.end->close(pair.at_a, "done");
  BOOST_REQUIRE(pair.a.saw.wait_down(pair.at_a));
  BOOST_REQUIRE(pair.b.saw.wait_down(pair.at_b));
  const auto sent = pair.a.end->counted();
  const auto received = pair.b.end->counted();
  for (const auto& lanes : {sent.sent, received.received}) {
    BOOST_TEST(lanes.control_messages == 2U);
    BOOST_TEST(lanes.control_bytes == 2 * small->body_bytes());
    BOOST_TEST(lanes.bulk_messages == 1U);
    BOOST_TEST(lanes.bulk_bytes == large->body_bytes());
  }
  BOOST_TEST(sent.sent.overhead_bytes > 0U);
  BOOST_TEST(sent.links_up == 0U);
  BOOST_TEST(sent.links_down == 1U);
}

BOOST_AUTO_TEST_CASE(a_link_measures_its_round_trip) {
  auto eager = options(false);
  eager.heartbeat_interval = std::chrono::milliseconds{5};
  linked_pair pair{eager, eager};
  // Each beat is an event of the endpoints, not of the users: ask again with a message.
  pair.b.saw.answer = [&](link_id from, const heading& head) {
    pair.b.end->send(from, head_with(head.request, 0));
  };
  uint64_t trip = 0;
  for (uint64_t i = 1; i < 100'000 && trip == 0; ++i) {
    pair.a.end->send(pair.at_a, head_with(i, 0));
    BOOST_REQUIRE(pair.a.saw.wait_messages(i));
    trip = pair.a.end->counted(pair.at_a).round_trip_us;
  }
  BOOST_TEST(trip > 0U);
  BOOST_TEST(trip < 1'000'000U);
  BOOST_TEST(pair.a.end->counted(link_id{99}).round_trip_us == 0U);
}
