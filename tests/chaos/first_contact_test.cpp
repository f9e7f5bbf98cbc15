#include <boost/test/unit_test.hpp>
#include <fstream>

#include "tests/chaos/hosts.hpp"
#include "tests/chaos/rig.hpp"

// What a process says when it meets the others for the first time, and something is in the way: a
// token that is in use, a clock, a narrow way, a name. And that it says nothing when nothing is.

using namespace swarm;
using namespace std::chrono_literals;

namespace {

chaos::rig::shape small() {
  chaos::rig::shape what;
  what.peers = 1;
  what.trainers = 1;
  what.steps = 100'000;
  return what;
}

/// What no line of a healthy run has in it.
const std::vector<std::string> alarm_words{
    "nobody", "refused", "not let in", "waits for", "fetches its state",
    "cannot", "failed",  "check ",     "silent",    "error",
    "lost",   "late",    "unreachable"};

void check_calm(const std::string& whose, const std::vector<std::string>& lines) {
  for (const auto& line : lines)
    for (const auto& word : alarm_words)
      BOOST_TEST(line.find(word) == std::string::npos, whose << ": '" << word << "' in: " << line);
}

std::vector<std::string> shifted(int64_t seconds) {
  return {"SHIFT_S=" + std::to_string(seconds),
          "LD_PRELOAD=" + tools::tree_program("tests/chaos/shifted_clock.so")};
}

/// The command in front of which variables and namespaces are put.
chaos::fleet::id start(chaos::fleet& all, const std::string& name, std::vector<std::string> before,
                       const std::vector<std::string>& arguments) {
  before.push_back(chaos::program());
  before.insert(before.end(), arguments.begin(), arguments.end());
  return all.start(name, "/usr/bin/env", before);
}

std::string first_line_with(const chaos::fleet& all, chaos::fleet::id which,
                            const std::string& text) {
  for (const auto& line : all.lines(which))
    if (line.find(text) != std::string::npos) return line;
  return "";
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_healthy_start_raises_no_alarm) {
  auto shape = small();
  shape.peers = 2;
  shape.trainers = 2;
  chaos::rig run{"healthy", shape};
  run.begin();
  BOOST_REQUIRE_MESSAGE(run.until_full(), run.all().story());
  const auto newcomer = run.add_peer("newcomer", -1, run.address(run.peer(0, 0)));
  BOOST_REQUIRE_MESSAGE(run.until_serving(newcomer), run.all().story());
  BOOST_REQUIRE_MESSAGE(run.until_step(run.step() + 10), run.all().story());
  for (chaos::fleet::id i = 0; i < run.all().size(); ++i)
    check_calm(run.all().name(i), run.all().lines(i));
}

BOOST_AUTO_TEST_CASE(up_raises_no_alarm) {
  const auto folder = chaos::scratch("calm-up");
  auto flags = chaos::flags_of(chaos::small_model(2, 30));
  flags.insert(flags.begin(), {"up", "--dir=" + folder + "/run", "--workers=2"});
  chaos::fleet one;
  const auto up = one.start("up", chaos::program(), flags);
  const auto how = one.until_ended(up);
  BOOST_REQUIRE_MESSAGE(how, one.story());
  BOOST_TEST(how->exit_code == 0, one.story());
  check_calm("up", one.lines(up));
}

BOOST_AUTO_TEST_CASE(of_two_with_one_token_the_earlier_ends_and_says_where_the_other_is) {
  chaos::rig run{"one-token", small()};
  run.begin();
  BOOST_REQUIRE_MESSAGE(run.until_full(), run.all().story());
  const auto earlier = run.add_peer("earlier", 0, run.address(run.peer(0, 0)));
  BOOST_REQUIRE_MESSAGE(run.until_serving(earlier), run.all().story());
  // The same token on another machine: another folder, another port.
  auto arguments = run.arguments(earlier);
  for (auto& each : arguments) {
    if (each.rfind("--state-dir=", 0) == 0) each += "-elsewhere";
    if (each.rfind("--bind=", 0) == 0) each = "--bind=127.0.0.1:0";
  }
  const auto later = run.all().start("later", chaos::program(), arguments);
  const auto how = run.all().until_ended(earlier);
  BOOST_REQUIRE_MESSAGE(how, run.all().story());
  BOOST_TEST(how->exit_code == 3, run.all().story());
  const auto said = run.all().line_with(earlier, "is in use by");
  const auto address = run.all().line_with(later, "at 127.0.0.1:");
  BOOST_REQUIRE_MESSAGE(!said.empty() && !address.empty(), run.all().story());
  BOOST_TEST(said.find(address.substr(address.find("127.0.0.1:"))) != std::string::npos, said);
  for (const char* part : {"swarm peer", "started 2", "keygen --add"})
    BOOST_TEST(said.find(part) != std::string::npos, part << " in: " << said);
  BOOST_TEST(run.until_serving(later), run.all().story());
  BOOST_TEST(!run.all().ended(later).has_value());
}

BOOST_AUTO_TEST_CASE(a_wrong_clock_is_named_by_whoever_has_it) {
  chaos::rig run{"clock", small()};
  run.begin();
  BOOST_REQUIRE_MESSAGE(run.until_full(), run.all().story());
  const auto join = "--join=" + run.address(run.peer(0, 0));
  constexpr int64_t three_hours_s = 3 * 3'600;
  const std::vector<std::string> commands{"peer", "train", "doctor"};
  for (const auto ahead : {three_hours_s, -three_hours_s}) {
    const std::string which = ahead > 0 ? "ahead of" : "behind";
    for (size_t i = 0; i < commands.size(); ++i) {
      const auto& command = commands[i];
      std::vector<std::string> arguments{command,
                                         "--token=" + run.token(5 + static_cast<int64_t>(i)), join};
      arguments.push_back(command == "doctor" ? "--timeout=5s" : "--join-timeout=6s");
      const auto name = command + (ahead > 0 ? "-ahead" : "-behind");
      const auto id = start(run.all(), name, shifted(ahead), arguments);
      BOOST_TEST(run.all().until_said(id, "the clock of this machine is 3 h 0 min " + which),
                 run.all().story());
      // What was published looks expired to one that is ahead; one that is behind gets in.
      if (ahead < 0 && command != "doctor") {
        run.all().kill(id);
        continue;
      }
      const auto how = run.all().until_ended(id);
      BOOST_REQUIRE_MESSAGE(how, run.all().story());
      BOOST_TEST(how->exit_code == 1, run.all().story());
      BOOST_TEST(!run.all().said(id, "check --join"), run.all().story());
      if (command != "doctor") continue;
      BOOST_TEST(first_line_with(run.all(), id, "FAIL").find("clock") != std::string::npos,
                 run.all().story());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_way_that_loses_large_packets_is_named) {
  chaos::hosts machines;
  if (!machines.open_or_skip(2)) return;
  auto shape = small();
  shape.address = [](size_t) { return chaos::hosts::address(0); };
  shape.prefix = [&](size_t) { return machines.prefix(0); };
  chaos::rig run{"narrow", shape};
  run.begin();
  machines.narrow(1, 600);
  for (const char* command : {"peer", "doctor"}) {
    auto line = machines.prefix(1);
    line.insert(line.end(),
                {chaos::program(), command, "--token=" + run.token(5),
                 "--join=" + run.address(run.peer(0, 0)),
                 std::string{command} == "peer" ? "--join-timeout=25s" : "--timeout=7s"});
    const auto main = line.front();
    line.erase(line.begin());
    const auto id = run.all().start(command, main, line);
    BOOST_TEST(run.all().until_said(id, "small packets pass"), run.all().story());
    BOOST_TEST(run.all().line_with(id, "small packets pass").find("MTU") != std::string::npos);
    run.all().kill(id);
  }
}

BOOST_AUTO_TEST_CASE(a_name_whose_first_address_swallows_packets_is_reached_by_its_second) {
  chaos::hosts machines;
  if (!machines.open_or_skip(2)) return;
  auto shape = small();
  shape.address = [](size_t) { return chaos::hosts::address(0); };
  shape.prefix = [&](size_t) { return machines.prefix(0); };
  chaos::rig run{"two-addresses", shape};
  run.begin();
  // Nobody has the first one: who asks for it hears nothing.
  const auto names = run.folder() + "/hosts";
  std::ofstream{names} << "127.0.0.1 localhost\n10.77.0.99 twofold\n"
                       << chaos::hosts::address(0) << " twofold\n";
  const auto whole = run.address(run.peer(0, 0));
  const auto join = "twofold" + whole.substr(whole.find(':'));
  auto line = machines.prefix(1);
  line.insert(line.end(),
              {"/usr/bin/unshare", "--mount", "--", "/bin/sh", "-c",
               "mount --bind " + names + " /etc/hosts && exec \"$@\"", "sh", chaos::program(),
               "doctor", "--token=" + run.token(5), "--join=" + join, "--timeout=3s"});
  const auto main = line.front();
  line.erase(line.begin());
  const auto id = run.all().start("doctor", main, line);
  BOOST_REQUIRE_MESSAGE(run.all().until_ended(id), run.all().story());
  BOOST_TEST(run.all().said(id, "ok    dial"), run.all().story());
}
