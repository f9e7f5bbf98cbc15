#include "tools/processes/process_handle.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>

using namespace swarm;
using tools::process_handle;

namespace {

struct a_child {
  a_child() : pid(fork()) {
    if (pid != 0) return;
    pause();
    _exit(0);
  }
  ~a_child() { end(); }
  void end() {
    if (ended) return;
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    ended = true;
  }
  pid_t pid;
  bool ended = false;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_process_is_signalled_until_it_has_ended, a_child) {
  auto held = process_handle::open(pid);
  BOOST_REQUIRE(held);
  BOOST_TEST(held->pid() == pid);
  BOOST_TEST(!held->has_ended());
  BOOST_TEST(held->signal(0) == 0);
  BOOST_TEST(held->signal(SIGTERM) == 0);
  int status = 0;
  BOOST_TEST(waitpid(pid, &status, 0) == pid);
  ended = true;
  BOOST_TEST(WTERMSIG(status) == SIGTERM);
  BOOST_TEST(held->has_ended());
  BOOST_TEST(held->signal(SIGTERM) == ESRCH);
}

BOOST_FIXTURE_TEST_CASE(a_number_without_a_process_is_nobody, a_child) {
  end();
  BOOST_TEST(!process_handle::open(pid));
  BOOST_TEST(!process_handle::open(0));
  BOOST_TEST(!process_handle::open(-1));
  BOOST_TEST(!tools::start_ticks(pid));
}

BOOST_FIXTURE_TEST_CASE(the_start_of_a_process_stays_what_it_is, a_child) {
  const auto first = tools::start_ticks(pid);
  BOOST_REQUIRE(first);
  BOOST_TEST((tools::start_ticks(pid) == first));
  BOOST_TEST((tools::start_ticks(getpid()) <= first));
  BOOST_TEST(!tools::boot_id().empty());
}
