#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/chaos/rig.hpp"
#include "tools/processes/state_folder.hpp"
#include "tools/swarm/up_folder.hpp"

// `swarm up` as people treat it: interrupted, asked for something else, its children signalled, its
// program rebuilt, its reader gone.

using namespace swarm;
namespace fs = std::filesystem;

namespace {

using words = std::vector<std::string>;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string text_of(const std::string& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

/// A run in a folder of this test, of a text of its own, and the processes that use it.
class place {
 public:
  explicit place(const std::string& name)
      : root_(chaos::scratch(name)), program_(root_ + "/swarm") {
    // What is done to the program here is not done to the tree's.
    const fs::path tree = fs::canonical(chaos::program()).parent_path();
    for (const auto& each : fs::directory_iterator{tree}) {
      const auto file = each.path().filename().string();
      if (each.is_regular_file() && file.compare(0, 5, "swarm") == 0 && !has(file, "."))
        fs::copy_file(each.path(), root_ + "/" + file);
    }
    std::string line;
    for (int i = 0; i < 400; ++i)
      line += "the quick brown fox jumps over the lazy dog " + std::to_string(i * i) + "\n";
    std::ofstream{text()} << line;
  }

  std::string dir() const { return root_ + "/run"; }
  std::string text() const { return root_ + "/text.txt"; }
  const std::string& program() const { return program_; }

  static words model(int64_t steps) {
    auto flags = chaos::flags_of(chaos::small_model(2, steps));
    return flags;
  }

  chaos::fleet::id up(const words& more) {
    words all{"up",          "--dir=" + dir(), "--trainers=2",
              "--workers=2", "--line-every=1", "--restart-after=100ms"};
    all.insert(all.end(), more.begin(), more.end());
    return fleet.start("up", program_, all);
  }

  /// A process of the run.
  std::optional<pid_t> pid_of(const std::string& name) const {
    const auto user = tools::user_of(dir() + "/" + name);
    return user.process ? std::optional{user.process->pid()} : std::nullopt;
  }

  /// Of the lines " | step N": the last; -1: none.
  int64_t step(chaos::fleet::id who) const {
    const auto line = fleet.line_with(who, "| step ");
    const auto at = line.find("| step ");
    return at == std::string::npos ? -1 : std::atoll(line.c_str() + at + 7);
  }
  bool until_step(chaos::fleet::id who, int64_t last) {
    return fleet.until([&] { return step(who) >= last || fleet.ended(who); }) && !fleet.ended(who);
  }

  chaos::fleet fleet;

 private:
  std::string root_;
  std::string program_;
};

void check_left(place& here, chaos::fleet::id who, int exit_code) {
  const auto how = here.fleet.until_ended(who);
  BOOST_REQUIRE_MESSAGE(how, here.fleet.story());
  BOOST_TEST(how->signal == 0, here.fleet.story());
  BOOST_TEST(how->exit_code == exit_code, here.fleet.story());
}

int taken(int port) {
  const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int yes = 1;
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  const bool bound = bind(s, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  return bound && listen(s, 1) == 0 ? s : -1;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_folder_begins_once_and_goes_on_as_what_it_is) {
  place here{"up-folder"};
  words keygen{"keygen", "--dir=" + here.dir(), "--data=" + here.text(), "--peers=1"};
  const auto flags = place::model(100'000);
  keygen.insert(keygen.end(), flags.begin(), flags.end());
  const auto made = chaos::run_once(keygen);
  BOOST_REQUIRE_MESSAGE(made.exit_code == 0, made.text);
  // Nothing has begun, whatever is started and killed before the first step.
  const auto early = here.up({});
  BOOST_REQUIRE(here.fleet.until_said(early, "join="));
  BOOST_REQUIRE(here.fleet.until([&] { return here.pid_of("peer-1").has_value(); }));
  here.fleet.kill(early);
  const auto first = here.up({});
  // Of all copies the first may still be on its way at step 20.
  BOOST_REQUIRE_MESSAGE(here.until_step(first, 60), here.fleet.story());
  const auto tokens = tools::read_token_numbers(here.dir());
  here.fleet.signal(first, SIGHUP);
  check_left(here, first, 0);
  BOOST_TEST(here.fleet.said(first, "leaves"), here.fleet.story());

  const auto other = here.up({"--steps=7", "--lr=0.5"});
  check_left(here, other, 2);
  BOOST_TEST(here.fleet.said(other, "--lr=0.5 --steps=7: "), here.fleet.story());
  BOOST_TEST(here.fleet.said(other, "--steps=100000"), here.fleet.story());

  // With one trainer more, and the same words about the model: each is who it was.
  auto more = flags;
  more.emplace_back("--trainers=3");
  const auto again = here.up(more);
  BOOST_REQUIRE_MESSAGE(here.until_step(again, 0), here.fleet.story());
  const auto at = here.fleet.line_with(again, "| step ");
  BOOST_TEST(here.step(again) >= 20, at);
  BOOST_TEST(here.fleet.until_said(again, "workers 2/2"), here.fleet.story());
  const auto now = tools::read_token_numbers(here.dir());
  for (const auto& [name, number] : tokens)
    BOOST_TEST(now.at(name) == number, name);
  BOOST_TEST(now.size() == tokens.size() + 1);
  here.fleet.signal(again, SIGTERM);
  check_left(here, again, 0);
}

BOOST_AUTO_TEST_CASE(whatever_ends_a_child_it_comes_back) {
  place here{"up-children"};
  auto flags = place::model(100'000);
  flags.push_back("--data=" + here.text());
  const auto run = here.up(flags);
  BOOST_REQUIRE_MESSAGE(here.fleet.until_said(run, "workers 2/2"), here.fleet.story());

  // Asked to leave by somebody else than `up`: a peer and a trainer.
  for (const std::string name : {"peer-1", "trainer-2"}) {
    const auto pid = here.pid_of(name);
    BOOST_REQUIRE(pid);
    kill(*pid, SIGTERM);
    BOOST_TEST(here.fleet.until_said(run, name + " has left because somebody asked it to"));
    BOOST_TEST(here.fleet.until_said(run, name + " is started again"), here.fleet.story());
  }

  // Its program is built anew, and its port taken, while it is away.
  for (const auto& file : {here.program(), here.program() + "_node"}) {
    BOOST_TEST(fs::remove(file));
    std::ofstream{file} << "no program";
  }
  const auto where = here.fleet.line_with(run, "peer-2     | peer ");
  const int port = std::atoi(where.c_str() + where.rfind(':') + 1);
  const auto pid = here.pid_of("peer-2");
  BOOST_REQUIRE(pid);
  // The signal alone frees the port: no other socket waits for it.
  kill(*pid, SIGKILL);
  int holder = -1;
  here.fleet.until([&] { return (holder = taken(port)) >= 0 || here.fleet.ended(run); });
  BOOST_REQUIRE(holder >= 0);
  BOOST_TEST(here.fleet.until_said(run, "peer-2 was ended by SIGKILL (Killed)"));
  BOOST_TEST(here.fleet.until_said(run, "port " + std::to_string(port) + " is taken: peer-2"),
             here.fleet.story());
  const auto step = here.step(run);
  BOOST_REQUIRE_MESSAGE(here.until_step(run, step + 10), here.fleet.story());
  BOOST_TEST(here.fleet.until([&] { return has(here.fleet.line_with(run, "| step "), "2/2"); }),
             here.fleet.story());
  close(holder);
  here.fleet.signal(run, SIGINT);
  check_left(here, run, 0);
}

BOOST_AUTO_TEST_CASE(one_that_can_never_start_is_given_up_alone) {
  place here{"up-culprit"};
  words keygen{"keygen", "--dir=" + here.dir(), "--data=" + here.text(), "--peers=6"};
  const auto flags = place::model(100'000);
  keygen.insert(keygen.end(), flags.begin(), flags.end());
  BOOST_REQUIRE(chaos::run_once(keygen).exit_code == 0);
  // Of the second trainer: a token that others can read is refused.
  fs::permissions(here.dir() + "/peer-2.token", fs::perms::others_read, fs::perm_options::add);
  const auto run = here.up({});
  BOOST_TEST(here.fleet.until_said(run, "trainer-2 is given up"), here.fleet.story());
  BOOST_REQUIRE_MESSAGE(here.until_step(run, 3), here.fleet.story());
  here.fleet.signal(run, SIGTERM);
  check_left(here, run, 0);
}

BOOST_AUTO_TEST_CASE(a_reader_that_goes_away_does_not_take_the_run_with_it) {
  place here{"up-reader"};
  std::string line = "umask 000; exec '" + here.program() + "' up --dir='" + here.dir() +
                     "' --data='" + here.text() + "' --trainers=1 --workers=1 --line-every=1";
  for (const auto& flag : place::model(100'000))
    line += " " + flag;
  // Gone after one line; then never there.
  for (const std::string output : {" > >(head -1 >/dev/null)", " >&-"}) {
    const auto run = here.fleet.start("up", "/bin/bash", {"-c", line + output});
    BOOST_TEST(here.fleet.until_said(run, "the run goes on, and swarm stop"), here.fleet.story());
    const auto before = tools::read_progress(here.dir());
    BOOST_TEST(here.fleet.until([&] {
      const auto now = tools::read_progress(here.dir());
      return now && now->step > (before ? before->step : -1);
    }),
               here.fleet.story());
    BOOST_TEST(text_of(here.dir() + "/pid").find('\n') + 1 == text_of(here.dir() + "/pid").size());
    const auto stopped = chaos::run_once({"stop", "--dir=" + here.dir()});
    BOOST_TEST(stopped.exit_code == 0, stopped.text);
    check_left(here, run, 0);
  }
  // All that was written belongs to its owner, whatever the umask.
  for (const auto& each : fs::recursive_directory_iterator{here.dir()}) {
    const auto name = each.path().filename().string();
    const bool open = name == "run.swarm" || name == "run.ca" || has(name, ".json");
    const auto mode = fs::status(each.path()).permissions() & fs::perms::all;
    const auto expected = each.is_directory()                 ? 0700
                          : open && name != "telemetry.jsonl" ? 0644
                                                              : 0600;
    BOOST_TEST(static_cast<int>(mode) == expected, each.path());
  }
  BOOST_TEST((fs::status(here.dir()).permissions() == fs::perms::owner_all));
}
