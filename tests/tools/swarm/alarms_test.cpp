#include "tools/swarm/alarms.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

using namespace swarm;
using namespace std::chrono_literals;
using tools::alarms;

namespace {

telemetry::event dial_failed(const std::string& why, bool final = false) {
  return {"dial_failed", {{"text", why}, {"final", int64_t{final ? 1 : 0}}}};
}

telemetry::event because(const char* name, const std::string& why) {
  return {name, {{"why", why}}};
}

bool says(const alarms::lines& lines, const std::string& part) {
  return lines.size() == 1 && lines[0].find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_healthy_start_says_nothing) {
  alarms what{0s};
  for (auto now = alarms::moment{0}; now < 10s; now += 100ms) {
    BOOST_TEST(what.saw(dial_failed("a:1: Connection refused"), now).empty());
    BOOST_TEST(what.saw(because("fetch_failed", "no donor"), now).empty());
    BOOST_TEST(what.look(0, now).empty());
  }
  BOOST_TEST(what.look(2, 10s).empty());
  BOOST_TEST(what.saw({"serving", {}}, 11s).empty());
  for (auto now = alarms::moment{11s}; now < 1h; now += 1s) {
    // Left out of a step now and then, and back in a moment.
    BOOST_TEST(what.saw(because("refetch", "missed a reduce"), now).empty());
    BOOST_TEST(what.look(2, now).empty());
    BOOST_TEST(what.saw({"serving", {}}, now).empty());
  }
}

BOOST_AUTO_TEST_CASE(who_stays_alone_says_so_once_and_when_it_is_over) {
  alarms what{0s};
  what.saw(dial_failed("a:1: Connection refused"), 1s);
  BOOST_TEST(what.look(0, 14s).empty());
  const auto told = what.look(0, 15s);
  BOOST_TEST(says(told, "nobody of the run is reached for 15 s (a:1: Connection refused)"));
  BOOST_TEST(says(told, "check that its peers run, --join"));
  for (int i = 16; i < 100; ++i) {
    what.saw(dial_failed("a:1: Connection refused"), i * 1s);
    BOOST_TEST(what.look(0, i * 1s).empty());
  }
  BOOST_TEST(says(what.look(1, 100s), "the run is reached"));
  BOOST_TEST(what.look(1, 101s).empty());
  // Lost again: the same grace.
  BOOST_TEST(what.look(0, 200s).empty());
  BOOST_TEST(what.look(0, 214s).empty());
  BOOST_TEST(says(what.look(0, 215s), "nobody of the run is reached"));
}

BOOST_AUTO_TEST_CASE(who_has_nobody_to_dial_waits_to_be_dialled) {
  alarms what{0s};
  BOOST_TEST(says(what.look(0, 15s), "waits to be dialled"));
}

BOOST_AUTO_TEST_CASE(a_refusal_is_said_at_once_and_once) {
  alarms what{0s};
  what.saw(dial_failed("a:1: its certificate was refused", true), 1s);
  BOOST_TEST(says(what.look(0, 1s), "is not let into the run: a:1: its certificate was refused"));
  what.saw(dial_failed("a:1: its certificate was refused", true), 2s);
  BOOST_TEST(what.look(0, 2s).empty());
  // Of no interest to one that is in.
  what.saw(dial_failed("b:2: another run", true), 3s);
  BOOST_TEST(what.look(1, 3s).empty());
}

BOOST_AUTO_TEST_CASE(a_clock_is_said_at_once) {
  alarms what{0s};
  BOOST_TEST(
      says(what.saw({"clock_differs", {{"text", std::string{"3 h ahead"}}}}, 1s), "3 h ahead"));
  BOOST_TEST(what.clock() == "3 h ahead");
}

BOOST_AUTO_TEST_CASE(who_does_not_come_to_serve_says_what_it_waits_for) {
  alarms what{0s};
  what.look(1, 0s);
  what.saw(because("fetch_failed", "no donor"), 1s);
  BOOST_TEST(what.look(1, 15s).empty());
  BOOST_TEST(says(what.look(1, 16s), "waits for somebody who serves its stage"));
  BOOST_TEST(what.look(1, 60s).empty());
  what.saw({"fetching", {}}, 60s);
  BOOST_TEST(what.look(1, 61s).empty());
  what.saw({"serving", {}}, 61s);
  what.saw(because("fetch_failed", "the donor is gone"), 62s);
  BOOST_TEST(says(what.look(1, 90s), "its state cannot be fetched: the donor is gone"));
}

BOOST_AUTO_TEST_CASE(a_token_in_use_elsewhere_is_kept_for_the_end) {
  alarms what{0s};
  what.saw({"token_in_use", {{"text", std::string{"in use at h:1"}}}}, 1s);
  BOOST_TEST(what.token_in_use() == "in use at h:1");
}
