#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/chaos/up_place.hpp"

// The children of `swarm up`: signalled by others, their program rebuilt, their port taken, one
// that cannot be started.

using namespace swarm;
namespace fs = std::filesystem;

namespace {

int taken(int port) {
  const int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int yes = 1;
  setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (bind(s, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 && listen(s, 1) == 0)
    return s;
  close(s);
  return -1;
}

}  // namespace

BOOST_AUTO_TEST_CASE(whatever_ends_a_child_it_comes_back) {
  chaos::up_place here{"up-children"};
  auto flags = chaos::up_place::model(100'000);
  flags.push_back("--data=" + here.text());
  // Long enough to take the port of one that is away.
  flags.emplace_back("--restart-after=3s");
  const auto run = here.up(flags);
  BOOST_REQUIRE_MESSAGE(here.until_said(run, "workers 2/2"), here.fleet.story());

  // Asked to leave by somebody else than `up`: a peer and a trainer.
  for (const std::string name : {"peer-1", "trainer-2"}) {
    const auto pid = here.pid_of(name);
    BOOST_REQUIRE(pid);
    kill(*pid, SIGTERM);
    BOOST_TEST(here.until_said(run, name + " has left because somebody asked it to"));
    BOOST_TEST(here.until_said(run, name + " is started again"), here.fleet.story());
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
  here.until(run, [&] { return holder >= 0 || (holder = taken(port)) >= 0; });
  BOOST_REQUIRE(holder >= 0);
  BOOST_TEST(here.until_said(run, "peer-2 was ended by SIGKILL (Killed)"));
  BOOST_TEST(here.until_said(run, "port " + std::to_string(port) + " is taken: peer-2"),
             here.fleet.story());
  const auto step = here.step(run);
  BOOST_REQUIRE_MESSAGE(here.until_step(run, step + 10), here.fleet.story());
  // All four serve again; which stage a newcomer needs most is for it to say.
  const auto all_serve = [&] {
    const auto line = here.fleet.line_with(run, "| step ");
    const auto at = line.find("workers ");
    if (at == std::string::npos) return false;
    int first = 0, second = 0;
    return std::sscanf(line.c_str() + at, "workers %d/%d", &first, &second) == 2 && first >= 1 &&
           second >= 1 && first + second == 4;
  };
  BOOST_TEST(here.until(run, all_serve), here.fleet.story());
  close(holder);
  here.fleet.signal(run, SIGINT);
  here.check_left(run, 0);
}

BOOST_AUTO_TEST_CASE(one_that_can_never_start_is_given_up_alone) {
  chaos::up_place here{"up-culprit"};
  const auto flags = chaos::up_place::model(100'000);
  here.keygen(flags);
  // Of the second trainer: a token that others can read is refused.
  fs::permissions(here.dir() + "/peer-2.token", fs::perms::others_read, fs::perm_options::add);
  const auto run = here.up({"--workers=1"});
  BOOST_TEST(here.until_said(run, "trainer-2 is given up"), here.fleet.story());
  BOOST_REQUIRE_MESSAGE(here.until_step(run, 3), here.fleet.story());
  here.fleet.signal(run, SIGTERM);
  here.check_left(run, 0);
}
