#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/chaos/hosts.hpp"
#include "tests/chaos/rig.hpp"
#include "tools/processes/free_ports.hpp"

// The commands of the tutorials in tools/README.md, as they stand there, on a small model.

using namespace swarm;
using namespace std::chrono_literals;

namespace {

namespace fs = std::filesystem;

struct command {
  std::string host;  ///< before the '$'; empty on one machine
  std::vector<std::string> words;
  bool stays = false;  ///< it ends with '&'
};

/// The lines with a '$' of the section.
std::vector<command> commands_of(const std::string& section) {
  std::ifstream in{"tools/README.md"};
  BOOST_REQUIRE_MESSAGE(in.is_open(), "tools/README.md is not among the test's data");
  std::vector<command> result;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.compare(0, 1, "#") == 0) inside = line == "### " + section;
    const auto prompt = line.find("$ ");
    if (!inside || line.compare(0, 4, "    ") != 0 || prompt > 5) continue;
    command found;
    found.host = line.substr(4, prompt - 4);
    std::istringstream words{line.substr(prompt + 2)};
    for (std::string word; words >> word;)
      found.words.push_back(word);
    found.stays = found.words.back() == "&";
    if (found.stays) found.words.pop_back();
    result.push_back(found);
  }
  return result;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

/// Somebody who types the commands of a tutorial.
class reader {
 public:
  explicit reader(const std::string& name) : home_(chaos::scratch(name)) {}

  /// Words that stand for something else here.
  std::map<std::string, std::string> instead;
  /// Goes before a command line on this host.
  std::map<std::string, std::vector<std::string>> prefix;
  /// Makes it small.
  std::map<std::string, std::vector<std::string>> flags;

  chaos::fleet::id type(const command& what) {
    auto words = what.words;
    const auto home = home_ + "/" + what.host;
    fs::create_directories(home);
    if (words[0] == "scp") {
      const auto to = words[2].substr(0, 1);
      fs::create_directories(home_ + "/" + to);
      words[2] = home_ + "/" + words[2].replace(1, 1, "/");
      fs::copy_file(replaced(words[1], "$HOME", home), words[2]);
      return all.start("scp", "/bin/true", {});
    }
    constexpr std::string_view built = "bazel-bin/";
    BOOST_REQUIRE(words[0].compare(0, built.size(), built) == 0);
    words[0] = tools::tree_program(words[0].substr(built.size()));
    const auto name = words.size() > 1 ? words[1] : words[0];
    for (auto& word : words) {
      word = replaced(word, "$HOME", home);
      for (const auto& [from, to] : instead)
        word = replaced(word, from, to);
    }
    const auto& more = flags[name];
    words.insert(words.end(), more.begin(), more.end());
    const auto& before = prefix[what.host];
    words.insert(words.begin(), before.begin(), before.end());
    return all.start(what.host + " " + name, words[0], {words.begin() + 1, words.end()});
  }

  /// And waits for its end, which has to be a good one.
  std::string type_and_read(const command& what) {
    const auto id = type(what);
    const auto how = all.until_ended(id);
    BOOST_TEST((how && how->signal == 0 && how->exit_code == 0), all.story());
    std::string result;
    for (const auto& line : all.lines(id))
      result += line + "\n";
    return result;
  }

  chaos::fleet all;

 private:
  std::string home_;
};

bool has(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(one_process) {
  const auto typed = commands_of("One process");
  BOOST_REQUIRE_EQUAL(typed.size(), 1U);
  reader me{"one-process"};
  const auto text = me.type_and_read(typed[0]);
  BOOST_TEST(has(text, "step"), text);
}

BOOST_AUTO_TEST_CASE(several_processes_on_one_machine) {
  const auto typed = commands_of("Several processes on one machine");
  BOOST_REQUIRE_EQUAL(typed.size(), 3U);
  reader me{"one-machine"};
  me.flags["up"] = {"--layers=3",           "--width=32",     "--heads=2",
                    "--context=16",         "--steps=100000", "--kill-every=15s",
                    "--restart-after=100ms"};
  const auto up = me.type(typed[0]);
  BOOST_REQUIRE_MESSAGE(me.all.until_said(up, "| step "), me.all.story());
  BOOST_REQUIRE_MESSAGE(me.all.until_said(up, "is started again"), me.all.story());
  const auto first = me.all.lines(up).front();
  const auto at = first.find("join=") + 5;
  me.instead["$JOIN"] = first.substr(at, first.find(' ', at) - at);
  const auto status = me.type_and_read(typed[1]);
  BOOST_TEST(has(status, "stage  serving"), status);
  const auto stopped = me.type_and_read(typed[2]);
  BOOST_TEST(has(stopped, "has left"), stopped);
  BOOST_TEST(me.all.until_ended(up).has_value(), me.all.story());
}

BOOST_AUTO_TEST_CASE(several_machines) {
  const auto typed = commands_of("Several machines");
  BOOST_REQUIRE_EQUAL(typed.size(), 10U);
  reader me{"machines"};
  chaos::hosts machines;
  const auto why = machines.open(3);
  const auto ports = tools::free_ports(4);
  for (size_t h = 0; h < 3; ++h) {
    const auto host = std::string(1, static_cast<char>('a' + h));
    if (!why) me.prefix[host] = machines.prefix(h);
    // All on loopback, where namespaces are not allowed.
    if (why)
      me.instead[chaos::hosts::address(h) + ":7000"] = "127.0.0.1:" + std::to_string(ports.at(h));
  }
  if (why) {
    std::printf("on loopback: %s\n", why->c_str());
    me.instead["10.77.0.1:7001"] = "127.0.0.1:" + std::to_string(ports.at(3));
  }
  me.flags["keygen"] = chaos::flags_of(chaos::small_model(2, 100'000));
  chaos::fleet::id last = 0;
  for (const auto& what : typed) {
    const auto& name = what.words.size() > 1 ? what.words[1] : what.words[0];
    if (what.stays) {
      last = me.type(what);
      continue;
    }
    if (name == "doctor") {
      // The trainer was started fifth; every line of a step, and no other, has its speed.
      BOOST_REQUIRE_MESSAGE(me.all.until_said(4, "tokens/s"), me.all.story());
    }
    if (name == "status") BOOST_REQUIRE_MESSAGE(me.all.until_said(last, "serves"), me.all.story());
    const auto text = me.type_and_read(what);
    if (name == "doctor") BOOST_TEST(has(text, "ok    dial back"), text);
    if (name == "status") BOOST_TEST(has(text, "stage  serving"), text);
  }
}
