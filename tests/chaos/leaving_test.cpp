#include <signal.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/chaos/rig.hpp"

// Who is asked to leave does so politely, who is asked twice at once, and nothing is left behind.

using namespace swarm;
using namespace std::chrono_literals;

namespace {

constexpr auto leave_timeout = 3s;
/// Of a busy machine, to notice.
constexpr auto margin = 2s;

std::vector<pid_t> children(pid_t parent) {
  const auto id = std::to_string(parent);
  std::ifstream in{"/proc/" + id + "/task/" + id + "/children"};
  return {std::istream_iterator<pid_t>{in}, {}};
}

/// A process that has ended may wait for somebody to ask how.
bool is_gone(pid_t process) {
  std::ifstream in{"/proc/" + std::to_string(process) + "/stat"};
  std::string all{std::istreambuf_iterator<char>{in}, {}};
  const auto name_end = all.rfind(')');
  return name_end == std::string::npos || all.compare(name_end + 2, 1, "Z") == 0;
}

bool all_gone(const std::vector<pid_t>& processes) {
  for (const auto p : processes)
    if (!is_gone(p)) return false;
  return true;
}

/// `swarm up` on 2 stages, and its first step.
struct up_run {
  explicit up_run(const std::string& name) : folder(chaos::scratch(name) + "/run") {
    auto arguments = chaos::flags_of(chaos::small_model(2, 100'000));
    arguments.insert(arguments.begin(), {"up", "--dir=" + folder, "--workers=1", "--trainers=1"});
    id = all.start("up", chaos::program(), arguments);
    BOOST_REQUIRE_MESSAGE(all.until_said(id, "| step "), all.story());
    processes = children(all.pid(id));
    BOOST_REQUIRE_EQUAL(processes.size(), 3U);
  }

  std::string folder;
  chaos::fleet all;
  chaos::fleet::id id;
  std::vector<pid_t> processes;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_peer_that_is_asked_leaves_in_time_and_the_run_goes_on) {
  chaos::rig::shape shape;
  shape.trainers = 1;
  shape.flags = {"--leave-timeout=3s"};
  chaos::rig run{"polite", shape};
  run.begin();
  BOOST_REQUIRE_MESSAGE(run.until_full(), run.all().story());
  const auto who = run.peer(0, 1);
  const auto asked = run.all().now();
  run.all().signal(who, SIGTERM);
  const auto how = run.all().until_ended(who);
  BOOST_REQUIRE(how);
  BOOST_TEST((run.all().now() - asked <= leave_timeout + margin), run.all().story());
  BOOST_TEST(how->signal == 0);
  BOOST_TEST(how->exit_code == 0);
  BOOST_TEST(run.all().said(who, "leaves"));
  // Two that are frozen at the time arrive together.
  const auto hurried = run.peer(1, 1);
  run.all().signal(hurried, SIGSTOP);
  run.all().signal(hurried, SIGTERM);
  run.all().signal(hurried, SIGINT);
  run.all().signal(hurried, SIGCONT);
  const auto end = run.all().until_ended(hurried);
  BOOST_REQUIRE(end);
  BOOST_TEST((end->signal == SIGTERM || end->signal == SIGINT));
  run.finish();
}

BOOST_AUTO_TEST_CASE(a_trainer_that_leads_and_is_asked_leaves_and_another_leads) {
  chaos::rig::shape shape;
  shape.peers = 1;
  chaos::rig run{"leader-leaves", shape};
  run.begin();
  BOOST_REQUIRE_MESSAGE(run.until_full(), run.all().story());
  const auto first = run.leader();
  run.all().signal(first, SIGTERM);
  const auto how = run.all().until_ended(first);
  BOOST_REQUIRE(how);
  BOOST_TEST((how->signal == 0 && how->exit_code == 0), run.all().story());
  const auto second = run.trainer(first == run.trainer(0) ? 1 : 0);
  BOOST_TEST(run.all().until_said(second, "leads"), run.all().story());
  run.again(first);
  run.finish();
}

BOOST_AUTO_TEST_CASE(up_that_is_killed_leaves_no_process_behind) {
  up_run run{"up-killed"};
  run.all.kill(run.id);
  BOOST_TEST(run.all.until([&] { return all_gone(run.processes); }));
}

BOOST_AUTO_TEST_CASE(stop_ends_up_and_all_that_it_started) {
  up_run run{"up-stopped"};
  const auto stopped = chaos::run_once({"stop", "--dir=" + run.folder});
  BOOST_TEST(stopped.exit_code == 0, stopped.text);
  BOOST_TEST(stopped.text.find("has left") != std::string::npos, stopped.text);
  const auto how = run.all.until_ended(run.id);
  BOOST_REQUIRE(how);
  BOOST_TEST((how->signal == 0 && how->exit_code == 0), run.all.story());
  BOOST_TEST(all_gone(run.processes));
  const auto again = chaos::run_once({"stop", "--dir=" + run.folder});
  BOOST_TEST(again.text.find("nothing uses") != std::string::npos, again.text);
}
