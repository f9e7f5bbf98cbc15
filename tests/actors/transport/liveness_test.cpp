// When a link is down, and what may not end it: processes that are stopped, gone or slow.

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "actors/transport/clock.hpp"
#include "tests/actors/transport/endpoint_rig.hpp"
#include "tests/actors/transport/frames.hpp"
#include "tests/actors/transport/packets.hpp"
#include "tests/actors/transport/raw_peer.hpp"
#include "tools/processes/child_process.hpp"

using namespace swarm;
using namespace swarm::transport;
using namespace swarm::transport::test;
using namespace std::chrono_literals;

namespace {

constexpr int patience_ms = std::chrono::milliseconds{patience}.count();

/// The program that the first argument names, and where it listens.
struct far_process {
  tools::child_process child;
  std::string address;

  far_process() : child(start()) {
    pollfd readable{child.output(), POLLIN, 0};
    while (address.empty() || address.back() != '\n') {
      BOOST_REQUIRE(::poll(&readable, 1, patience_ms) == 1);
      char byte = 0;
      BOOST_REQUIRE(::read(child.output(), &byte, 1) == 1);
      address += byte;
    }
    address.pop_back();
  }

  static tools::child_process start() {
    const auto& suite = boost::unit_test::framework::master_test_suite();
    BOOST_REQUIRE(suite.argc > 1);
    auto started = tools::child_process::start(suite.argv[1], {});
    if (const auto* sentence = std::get_if<std::string>(&started)) BOOST_FAIL(*sentence);
    return std::get<tools::child_process>(std::move(started));
  }
};

endpoint_options brisk() {
  auto result = listening();
  result.heartbeat_interval = 50ms;
  result.silence_timeout = 400ms;
  return result;
}

}  // namespace

BOOST_AUTO_TEST_CASE(links_that_are_quiet_stay_up) {
  linked_pair pair{brisk(), brisk()};
  for (int i = 0; i < 1'200; ++i)
    pair.a.saw.wait_for_a_moment();
  BOOST_TEST(pair.a.saw.look([](witness& w) { return w.endings; }) == 0);
  BOOST_TEST(pair.b.saw.look([](witness& w) { return w.endings; }) == 0);
}

BOOST_AUTO_TEST_CASE(a_far_side_that_says_nothing_is_silent_in_time) {
  party host{brisk()};
  constexpr int mutes = 20;
  std::vector<raw_peer> silent;
  const auto from = now();
  for (int i = 0; i < mutes; ++i) {
    silent.emplace_back(host.end->address());
    BOOST_REQUIRE(silent.back().introduce());
  }
  const auto last_heard = now();
  BOOST_REQUIRE(host.saw.wait([&] { return host.saw.endings > 0; }));
  BOOST_TEST((now() - from >= 400ms - 50ms));
  BOOST_REQUIRE(host.saw.wait([&] { return host.saw.endings == mutes; }));
  // Half the timeout is for the detection; the rest is for a machine that runs other tests.
  BOOST_TEST((now() - last_heard < 600ms + 400ms), (now() - last_heard).count());
  host.saw.look([](witness& w) {
    for (const auto& [link, ending] : w.down)
      BOOST_TEST((ending.reason == down_reason::silent));
  });
  // It is told, should it live.
  const auto received = silent.front().receive(4096);
  const std::string text{received.begin(), received.end()};
  BOOST_TEST(text.find("silence_timeout") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_connection_that_breaks_is_lost_at_once) {
  auto patient = listening();
  patient.silence_timeout = 60s;
  party host{patient};
  for (const bool politely : {true, false}) {
    raw_peer peer{host.end->address()};
    BOOST_REQUIRE(peer.introduce());
    const auto before = host.saw.look([](witness& w) { return w.endings; });
    const auto from = now();
    if (politely) {
      const raw_peer goes{std::move(peer)};
    } else {
      peer.reset();
    }
    BOOST_REQUIRE(host.saw.wait([&] { return host.saw.endings == before + 1; }));
    BOOST_TEST((now() - from < 2s));
  }
  host.saw.look([](witness& w) {
    for (const auto& [link, ending] : w.down)
      BOOST_TEST((ending.reason == down_reason::lost), ending.sentence);
  });
}

BOOST_AUTO_TEST_CASE(a_process_that_is_killed_is_lost_and_one_that_is_stopped_is_silent) {
  party here{brisk()};
  far_process killed;
  far_process stopped;
  const auto to_killed = here.end->dial(killed.address);
  const auto to_stopped = here.end->dial(stopped.address);
  BOOST_REQUIRE(here.saw.wait_up(2));
  killed.child.signal(SIGKILL);
  const auto first = here.saw.wait_down(to_killed);
  BOOST_REQUIRE(first);
  BOOST_TEST((first->reason == down_reason::lost), first->sentence);
  stopped.child.signal(SIGSTOP);
  const auto second = here.saw.wait_down(to_stopped);
  BOOST_REQUIRE(second);
  BOOST_TEST((second->reason == down_reason::silent), second->sentence);
}

BOOST_AUTO_TEST_CASE(a_process_that_was_stopped_reads_before_it_judges) {
  far_process far;
  raw_peer peer{far.address};
  BOOST_REQUIRE(peer.introduce());
  far.child.signal(SIGSTOP);
  // Three times its timeout, during which we are heard by its kernel alone.
  witness nobody;
  bytes beat;
  append_packet(beat, packet_kind::beat, as_content(uint64_t{77}));
  const auto from = now();
  while (now() - from < 1'200ms) {
    BOOST_REQUIRE(peer.send(beat));
    for (int i = 0; i < 20; ++i)
      nobody.wait_for_a_moment();
  }
  far.child.signal(SIGCONT);
  // Its answers, and no farewell among them.
  const auto answers = peer.receive(20 * (packet_header_bytes + 8));
  BOOST_REQUIRE(answers.size() == 20 * (packet_header_bytes + 8));
  for (size_t at = 0; at < answers.size(); at += packet_header_bytes + 8) {
    const auto header = decode_header(answers.data() + at);
    BOOST_REQUIRE(header);
    BOOST_TEST((header->kind == packet_kind::echo || header->kind == packet_kind::beat));
  }
}

BOOST_AUTO_TEST_CASE(a_message_that_takes_longer_than_the_timeout_arrives) {
  auto slow = brisk();
  slow.bytes_per_s_max = 2'000'000;
  linked_pair pair{slow, brisk()};
  const auto large = make_frame(250'000);
  pair.a.end->send(pair.at_a, head_with(1), large);
  BOOST_REQUIRE(pair.b.saw.wait_messages(1));
  pair.b.saw.look([&](witness& w) { BOOST_TEST(w.messages[0].checksum == checksum(*large)); });
}

BOOST_AUTO_TEST_CASE(the_cap_holds_and_control_overtakes_what_waits_for_it) {
  auto slow = brisk();
  slow.bytes_per_s_max = 4'000'000;
  linked_pair pair{slow, brisk()};
  const auto from = now();
  pair.a.end->send(pair.at_a, head_with(1), make_frame(250'000));
  for (uint64_t i = 2; i < 12; ++i) {
    pair.a.end->send(pair.at_a, head_with(i), make_frame(100));
    BOOST_REQUIRE(pair.b.saw.wait_messages(i - 1));
  }
  pair.b.saw.look([](witness& w) {
    for (const auto& each : w.messages)
      BOOST_TEST(each.head.request != 1U);
  });
  BOOST_REQUIRE(pair.b.saw.wait_messages(11));
  // 2 MB at 4 MB/s, of which a burst was saved up.
  BOOST_TEST((now() - from >= 450ms), (now() - from).count());
}

BOOST_AUTO_TEST_CASE(a_link_with_more_to_send_than_it_may_hold_is_down) {
  auto slow = brisk();
  slow.bytes_per_s_max = 100'000;
  slow.queue_bytes_max = 1'000'000;
  linked_pair pair{slow, brisk()};
  for (uint64_t i = 0; i < 3; ++i)
    pair.a.end->send(pair.at_a, head_with(i), make_frame(60'000));
  const auto here = pair.a.saw.wait_down(pair.at_a);
  BOOST_REQUIRE(here);
  BOOST_TEST(here->sentence.find("queue_bytes_max") != std::string::npos);
  BOOST_TEST(pair.b.saw.wait_down(pair.at_b).has_value());
}

BOOST_AUTO_TEST_CASE(closing_a_link_that_does_not_move_ends_in_time) {
  auto slow = brisk();
  slow.bytes_per_s_max = 100'000;
  linked_pair pair{slow, brisk()};
  pair.a.end->send(pair.at_a, head_with(1), make_frame(1'000'000));
  pair.a.end->close(pair.at_a, "no more time");
  const auto here = pair.a.saw.wait_down(pair.at_a);
  BOOST_REQUIRE(here);
  BOOST_TEST((here->reason == down_reason::closed));
  BOOST_TEST(pair.b.saw.wait_down(pair.at_b).has_value());
}
