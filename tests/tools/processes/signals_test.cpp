#include "tools/processes/signals.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <csignal>

using namespace swarm;
using namespace std::chrono_literals;

namespace {

/// The exit code of a process that does this.
template <class F>
int exit_code_of(F body) {
  const auto pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

bool asks_to_leave(int number) {
  return exit_code_of([number] {
           tools::stop_signals signals;
           std::raise(number);
           return signals.wait(10s) ? 0 : 1;
         }) == 0;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_terminal_that_closes_asks_to_leave_as_the_others_do) {
  BOOST_TEST(asks_to_leave(SIGTERM));
  BOOST_TEST(asks_to_leave(SIGINT));
  BOOST_TEST(asks_to_leave(SIGHUP));
}

BOOST_AUTO_TEST_CASE(what_the_starter_has_it_ignore_stays_ignored) {
  for (const int number : {SIGHUP, SIGINT}) {
    const int code = exit_code_of([number] {
      std::signal(number, SIG_IGN);
      tools::stop_signals signals;
      std::raise(number);
      if (signals.wait(0ms)) return 1;
      std::raise(SIGTERM);
      return signals.wait(10s) ? 0 : 2;
    });
    BOOST_TEST(code == 0, number);
  }
}

BOOST_AUTO_TEST_CASE(after_the_first_they_end_the_process) {
  BOOST_TEST(exit_code_of([] {
               tools::stop_signals signals;
               signals.release();
               std::raise(SIGHUP);
               return 0;
             }) == -SIGHUP);
}
