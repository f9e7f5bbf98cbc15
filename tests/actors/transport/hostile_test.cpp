// Strangers and liars at a port: what they are given, and that nobody else notices. The argument
// is how many garbage packets to send; a million is the claim, the default is quick.

#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <fstream>

#include "actors/random.hpp"
#include "actors/transport/exchange.hpp"
#include "actors/transport/tls.hpp"
#include "tests/actors/transport/endpoint_rig.hpp"
#include "tests/actors/transport/frames.hpp"
#include "tests/actors/transport/packets.hpp"
#include "tests/actors/transport/raw_peer.hpp"

using namespace swarm;
using namespace swarm::transport;
using namespace swarm::transport::test;

namespace {

namespace data = boost::unit_test::data;

constexpr size_t crowd = 64;
constexpr size_t stranger_memory_max = size_t{1} << 20;

size_t garbage_count() {
  const auto& suite = boost::unit_test::framework::master_test_suite();
  return suite.argc > 1 ? std::strtoull(suite.argv[1], nullptr, 10) : 20'000;
}

/// Bytes of the heap that are in use.
size_t heap_bytes() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

/// Of a line of /proc/self/status.
size_t status_bytes(const std::string& name) {
  std::ifstream file{"/proc/self/status"};
  std::string word;
  while (file >> word) {
    size_t kib = 0;
    if (word == name + ":" && file >> kib) return kib << 10;
  }
  return 0;
}

/// What a client sends first, taken from one.
bytes client_hello(const tls_options& options) {
  int ends[2];
  BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
  auto made = tls_context::make(options);
  auto context = std::get<std::shared_ptr<tls_context>>(made);
  const auto client = context->make_channel(ends[0], true);
  BOOST_TEST((client->handshake().state == io_state::wait_read));
  bytes result(4096);
  const auto got = ::read(ends[1], result.data(), result.size());
  BOOST_REQUIRE(got > 0);
  result.resize(static_cast<size_t>(got));
  ::close(ends[0]);
  ::close(ends[1]);
  return result;
}

/// What comes from strangers, of every kind.
std::vector<bytes> openings(const tls_options& tls) {
  const auto hello = client_hello(tls);
  auto half = hello;
  half.resize(half.size() / 2);
  bytes greeting;
  append(greeting, link_magic.data(), link_magic.size());
  append_packet(greeting, packet_kind::hello, std::string(greeting_bytes_max, 'x'));
  greeting.pop_back();
  splitmix64 draw{1};
  bytes garbage;
  for (int i = 0; i < 20'000; ++i)
    garbage.push_back(static_cast<uint8_t>(draw.next()));
  // A TLS record that says it is as long as one can be.
  bytes record{0x16, 3, 1, 0x40, 0};
  record.resize(16'000, 1);
  return {hello, half, greeting, garbage, record, {}};
}

void check_crowd(party& host, const std::vector<bytes>& all) {
  // One that is let in first, so that what is made once is made.
  { raw_peer first{host.end->address()}; }
  BOOST_REQUIRE(eventually([&] { return host.end->counted().refused == 1; }));
  const size_t heap_before = heap_bytes();
  const size_t resident_before = status_bytes("RssAnon");
  std::vector<raw_peer> strangers;
  size_t most = 0;
  const auto look = [&] {
    const size_t in_use = heap_bytes();
    if (in_use > heap_before) most = std::max(most, in_use - heap_before);
  };
  for (size_t i = 0; i < crowd; ++i) {
    strangers.emplace_back(host.end->address());
    strangers.back().send(all[i % all.size()]);
    look();
  }
  for (int i = 0; i < 200; ++i) {
    look();
    host.saw.wait_for_a_moment();
  }
  const size_t resident = status_bytes("RssAnon");
  BOOST_TEST_MESSAGE("heap " << most << " bytes, resident "
                             << resident - std::min(resident, resident_before) << " bytes for "
                             << crowd << " strangers");
  BOOST_TEST(most <= stranger_memory_max);
  BOOST_TEST(resident <= resident_before + stranger_memory_max);
}

endpoint_options quick() {
  auto result = listening();
  result.dial_timeout = std::chrono::milliseconds{300};
  return result;
}

message_head head_for(size_t words) {
  message_head head;
  head.words.type = 7;
  head.body_words = static_cast<uint32_t>(words);
  return head;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_crowd_of_strangers_takes_less_than_a_mebibyte) {
  const authority run;
  const auto all = openings(run.issue());
  auto options = listening();
  options.tls = run.issue();
  party with_tls{options};
  // One kind at a time, since the worst may crowd in together.
  for (const auto& each : all)
    check_crowd(*std::make_unique<party>(options), {each});
  check_crowd(with_tls, all);
  for (const auto& each : all)
    check_crowd(*std::make_unique<party>(listening()), {each});
}

BOOST_AUTO_TEST_CASE(a_member_gets_in_while_strangers_hold_every_place) {
  const authority run;
  auto options = listening();
  options.tls = run.issue();
  party host{options};
  std::vector<raw_peer> strangers;
  for (size_t i = 0; i < crowd; ++i)
    strangers.emplace_back(host.end->address());
  auto own = listening();
  own.tls = run.issue();
  party member{own};
  member.end->dial(host.end->address());
  BOOST_TEST(member.saw.wait_up().has_value());
}

BOOST_AUTO_TEST_CASE(who_does_not_greet_is_shown_the_door) {
  const authority run;
  const auto all = openings(run.issue());
  for (const bool tls : {false, true}) {
    auto options = quick();
    if (tls) options.tls = run.issue();
    party host{options};
    std::vector<raw_peer> strangers;
    for (const auto& each : all) {
      strangers.emplace_back(host.end->address());
      strangers.back().send(each);
    }
    for (auto& each : strangers)
      BOOST_TEST(each.is_closed());
    BOOST_TEST(eventually([&] { return host.end->counted().refused == all.size(); }));
    BOOST_TEST(host.saw.look([](witness& w) { return w.greeted.size(); }) == 0U);
  }
}

BOOST_AUTO_TEST_CASE(garbage_at_the_port_disturbs_nobody) {
  linked_pair pair{listening(), listening()};
  splitmix64 draw{1};
  const size_t connections = std::max<size_t>(garbage_count() / 100, 100);
  for (size_t i = 0; i < connections; ++i) {
    raw_peer stranger{pair.b.end->address()};
    bytes garbage(100 * packet_header_bytes);
    for (auto& byte : garbage)
      byte = static_cast<uint8_t>(draw.next());
    stranger.send(garbage);
    stranger.reset();
    if (i % 50 != 0) continue;
    pair.a.end->send(pair.at_a, head_with(i, 0));
    BOOST_REQUIRE(pair.b.saw.wait_messages(i / 50 + 1));
  }
  BOOST_TEST(pair.b.saw.look([](witness& w) { return w.endings; }) == 0);
}

BOOST_AUTO_TEST_CASE(garbage_on_a_link_ends_that_link_alone) {
  linked_pair pair{listening(), listening()};
  splitmix64 draw{1};
  const size_t links = std::max<size_t>(garbage_count() / 100, 100);
  for (size_t i = 0; i < links; ++i) {
    raw_peer liar{pair.b.end->address()};
    BOOST_REQUIRE(liar.introduce());
    bytes garbage(100 * packet_header_bytes);
    for (auto& byte : garbage)
      byte = static_cast<uint8_t>(draw.next());
    liar.send(garbage);
    BOOST_REQUIRE(pair.b.saw.wait([&] { return pair.b.saw.endings == static_cast<int>(i) + 1; }));
    liar.reset();
  }
  pair.b.saw.look([](witness& w) {
    for (const auto& [link, ending] : w.down)
      BOOST_TEST((ending.reason == down_reason::protocol), ending.sentence);
  });
  pair.a.end->send(pair.at_a, head_with(1, 0));
  BOOST_TEST(pair.b.saw.wait_messages(1));
}

BOOST_AUTO_TEST_CASE(damaged_bodies_are_told_and_their_link_goes_on) {
  party host{listening()};
  raw_peer liar{host.end->address()};
  BOOST_REQUIRE(liar.introduce());
  constexpr size_t at_once = 1000;
  const size_t rounds = std::max<size_t>(garbage_count() / at_once, 1);
  bytes block;
  for (size_t i = 0; i < at_once; ++i)
    append_packet(block, packet_kind::message, as_content(head_for(2)) + std::string(16, 'x'));
  for (size_t round = 0; round < rounds; ++round) {
    BOOST_REQUIRE(liar.send(block));
    BOOST_REQUIRE(host.saw.wait_messages(at_once));
    host.saw.look([](witness& w) {
      for (const auto& each : w.messages)
        BOOST_REQUIRE((each.wrong == wire::errc::wrong_checksum));
      w.messages.clear();
    });
  }
  BOOST_TEST(eventually([&] { return host.end->counted().damaged == rounds * at_once; }));
  BOOST_TEST(host.saw.look([](witness& w) { return w.endings; }) == 0);
}

BOOST_AUTO_TEST_CASE(a_body_that_is_only_announced_takes_no_memory) {
  party host{listening()};
  raw_peer liar{host.end->address()};
  BOOST_REQUIRE(liar.introduce());
  const size_t before = status_bytes("RssAnon");
  bytes announced;
  append_packet(announced, packet_kind::open,
                as_content(head_for(wire::frame_bytes_max / sizeof(capnp::word))));
  append_packet(announced, packet_kind::beat, as_content(uint64_t{1}));
  BOOST_REQUIRE(liar.send(announced));
  // The answer to the beat: what came before it was looked at.
  BOOST_TEST(liar.receive(packet_header_bytes + 8).size() == packet_header_bytes + 8);
  BOOST_TEST(status_bytes("RssAnon") <= before + stranger_memory_max);
}

BOOST_AUTO_TEST_CASE(credit_for_what_was_not_sent_ends_the_link) {
  party host{listening()};
  raw_peer liar{host.end->address()};
  BOOST_REQUIRE(liar.introduce());
  bytes lie;
  append_packet(lie, packet_kind::credit, as_content(uint64_t{1} << 60));
  liar.send(lie);
  BOOST_REQUIRE(host.saw.wait([&] { return host.saw.endings == 1; }));
  BOOST_TEST((host.saw.down.begin()->second.reason == down_reason::protocol));
}

BOOST_AUTO_TEST_CASE(a_second_greeting_ends_the_link) {
  party host{listening()};
  raw_peer liar{host.end->address()};
  BOOST_REQUIRE(liar.introduce());
  bytes again;
  append_packet(again, packet_kind::hello, "me again");
  liar.send(again);
  BOOST_REQUIRE(host.saw.wait([&] { return host.saw.endings == 1; }));
  BOOST_TEST((host.saw.down.begin()->second.reason == down_reason::protocol));
}

BOOST_AUTO_TEST_CASE(beats_without_an_end_are_answered_within_limits) {
  party host{listening()};
  raw_peer liar{host.end->address()};
  BOOST_REQUIRE(liar.introduce());
  const size_t before = heap_bytes();
  bytes block;
  for (int i = 0; i < 1000; ++i)
    append_packet(block, packet_kind::beat, as_content(uint64_t{1}));
  // It asks and never reads, until the kernel takes no more.
  timeval limit{0, 200'000};
  ::setsockopt(liar.socket(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  for (int i = 0; i < 2000 && liar.send(block); ++i) {
  }
  BOOST_TEST(heap_bytes() <= before + stranger_memory_max);
}
