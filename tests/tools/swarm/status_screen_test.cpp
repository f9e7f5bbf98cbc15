#include "tools/swarm/status_screen.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <string>

using namespace swarm;
using tools::process_status;

namespace {

process_status peer_of(uint64_t id, int32_t stage, const char* state) {
  process_status p;
  p.peer = id << 32;
  p.announce = "10.0.0." + std::to_string(id) + ":7000";
  p.up_ms = 61'500;
  p.members.push_back({id << 32, "stage worker", state, stage, 7});
  return p;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_screen_shows_stages_processes_and_the_leaders_figures) {
  auto leader = peer_of(3, 0, "serving");
  leader.leads = true;
  leader.step = 41;
  leader.loss = 2.25;
  leader.tokens_per_s = 12'345;
  leader.events.push_back({1'200, "rework step=40"});
  const auto text = tools::status_screen({leader, peer_of(4, 1, "joining")}, 3);
  BOOST_TEST(contains(text, "step 41   loss 2.2500   12345 tokens/s"), text);
  BOOST_TEST(contains(text, "10.0.0.4:7000"), text);
  BOOST_TEST(contains(text, "61.5 s"), text);
  BOOST_TEST(contains(text, "(empty)"), text);
  BOOST_TEST(contains(text, "1.2 s ago  00000003  rework step=40"), text);
}

BOOST_AUTO_TEST_CASE(what_several_have_seen_is_one_line) {
  auto one = peer_of(1, 0, "serving");
  auto two = peer_of(2, 0, "serving");
  one.events.push_back({3'000, "peer 00000009 is gone: it closed the connection"});
  two.events.push_back({2'000, "peer 00000009 is gone: it closed the connection"});
  two.events.push_back({9'000, "moves to stage 1"});
  const auto text = tools::status_screen({one, two}, 1);
  BOOST_TEST(contains(text,
                      "2.0 s ago  00000002  peer 00000009 is gone: it closed the connection (as 2 "
                      "peers say)"),
             text);
  BOOST_TEST(!contains(text, "3.0 s ago"), text);
  BOOST_TEST(contains(text, "9.0 s ago  00000002  moves to stage 1"), text);
}

BOOST_AUTO_TEST_CASE(a_peer_has_the_same_name_on_the_screen_and_in_json) {
  auto one = peer_of(0x1234abcd, 0, "serving");
  one.events.push_back({5, "serves"});
  const auto json = tools::status_json({one});
  const auto& process = json["processes"][0];
  BOOST_TEST(process["name"] == "1234abcd");
  BOOST_TEST(process["id"] == "1234abcd00000000");
  BOOST_TEST(process["peer"] == one.peer);
  BOOST_TEST(process["events"][0]["text"] == "serves");
  BOOST_TEST(contains(tools::status_screen({one}, 1), "1234abcd"));
}

BOOST_AUTO_TEST_CASE(without_a_leader_it_says_so) {
  BOOST_TEST(contains(tools::status_screen({}, 1), "nobody leads"));
}

BOOST_AUTO_TEST_CASE(of_two_leaders_the_one_that_got_further_counts) {
  auto one = peer_of(1, 0, "serving");
  auto two = peer_of(2, 0, "serving");
  one.leads = two.leads = true;
  one.step = 5;
  two.step = 9;
  BOOST_TEST(tools::status_json({one, two})["step"] == 9);
}

BOOST_AUTO_TEST_CASE(what_peers_say_does_not_reach_the_terminal_raw) {
  auto hostile = peer_of(1, 0, "serving");
  hostile.announce = "\x1b[2Jx";
  hostile.events.push_back({0, "line\nbreak"});
  const auto text = tools::status_screen({hostile}, 1);
  BOOST_TEST(!contains(text, "\x1b"));
  BOOST_TEST(!contains(text, "line\nbreak"));
}

BOOST_AUTO_TEST_CASE(kernels_are_shown_when_they_differ) {
  auto one = peer_of(1, 0, "serving");
  auto two = peer_of(2, 1, "serving");
  auto looks_on = peer_of(3, 1, "serving");
  one.kernels = two.kernels = "Haswell";
  BOOST_TEST(!contains(tools::status_screen({one, two, looks_on}, 2), "kernels"));
  two.kernels = "SkylakeX";
  const auto text = tools::status_screen({one, two, looks_on}, 2);
  BOOST_TEST(contains(text, "compute with different kernels"), text);
  BOOST_TEST(contains(text, "Haswell: 00000001"), text);
  BOOST_TEST(contains(text, "SkylakeX: 00000002"), text);
  BOOST_TEST(tools::status_json({one})["processes"][0]["kernels"] == "Haswell");
}
