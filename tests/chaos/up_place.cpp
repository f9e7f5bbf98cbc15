#include "tests/chaos/up_place.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tools/processes/state_folder.hpp"

namespace swarm::chaos {

namespace fs = std::filesystem;

up_place::up_place(const std::string& name) : root_(scratch(name)), program_(root_ + "/swarm") {
  // What is done to the program here is not done to the tree's.
  const fs::path tree = fs::canonical(chaos::program()).parent_path();
  for (const char* file : {"swarm", "swarm_node"})
    fs::copy_file(tree / file, root_ + "/" + file);
  std::string line;
  for (int i = 0; i < 400; ++i)
    line += "the quick brown fox jumps over the lazy dog " + std::to_string(i * i) + "\n";
  std::ofstream{text()} << line;
}

std::vector<std::string> up_place::model(int64_t steps) {
  return flags_of(small_model(2, steps));
}

void up_place::keygen(const std::vector<std::string>& more) {
  std::vector<std::string> all{"keygen", "--dir=" + dir(), "--data=" + text()};
  all.insert(all.end(), more.begin(), more.end());
  const auto made = run_once(all);
  BOOST_REQUIRE_MESSAGE(made.exit_code == 0, made.text);
}

chaos::fleet::id up_place::up(const std::vector<std::string>& more) {
  std::vector<std::string> all{"up",          "--dir=" + dir(), "--trainers=2",
                               "--workers=2", "--line-every=1", "--restart-after=100ms"};
  all.insert(all.end(), more.begin(), more.end());
  return fleet.start("up", program_, all);
}

std::optional<pid_t> up_place::pid_of(const std::string& name) const {
  const auto user = tools::user_of(dir() + "/" + name);
  return user.process ? std::optional{user.process->pid()} : std::nullopt;
}

int64_t up_place::step(chaos::fleet::id who) const {
  const auto line = fleet.line_with(who, "| step ");
  const auto at = line.find("| step ");
  return at == std::string::npos ? -1 : std::atoll(line.c_str() + at + 7);
}

bool up_place::until(chaos::fleet::id who, const std::function<bool()>& condition) {
  return fleet.until([&] { return condition() || fleet.ended(who); }, 3 * patience) && condition();
}

bool up_place::until_said(chaos::fleet::id who, const std::string& text) {
  return until(who, [&] { return fleet.said(who, text); });
}

bool up_place::until_step(chaos::fleet::id who, int64_t last) {
  return until(who, [&] { return step(who) >= last; });
}

void up_place::check_left(chaos::fleet::id who, int exit_code) {
  const auto how = fleet.until_ended(who);
  BOOST_REQUIRE_MESSAGE(how, fleet.story());
  BOOST_TEST(how->signal == 0, fleet.story());
  BOOST_TEST(how->exit_code == exit_code, fleet.story());
}

}  // namespace swarm::chaos
