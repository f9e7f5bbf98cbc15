#include "tools/report/standard_streams.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <functional>
#include <string>

using namespace swarm;

namespace {

struct outcome {
  int exit_code = 0;  ///< or minus a signal
  std::string errors;
};

/// A process that does this and hands its exit code to checked_output().
outcome in_a_process(const std::function<void()>& before, const std::function<int()>& body) {
  std::array<int, 2> ends{};
  BOOST_REQUIRE(pipe(ends.data()) == 0);
  const auto pid = fork();
  if (pid == 0) {
    dup2(ends[1], STDERR_FILENO);
    before();
    tools::open_standard_streams();
    _exit(tools::checked_output("prog", body()));
  }
  close(ends[1]);
  outcome result;
  std::array<char, 256> buffer;
  for (ssize_t n = 0; (n = read(ends[0], buffer.data(), buffer.size())) > 0;)
    result.errors.append(buffer.data(), static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return result;
}

void to(const char* path) {
  dup2(open(path, O_WRONLY), STDOUT_FILENO);
}

void to_nobody() {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) _exit(99);
  close(ends[0]);
  dup2(ends[1], STDOUT_FILENO);
}

int print() {
  std::printf("a result\n");
  return 0;
}

}  // namespace

BOOST_AUTO_TEST_CASE(output_that_arrives_is_a_success) {
  const auto good = in_a_process([] { to("/dev/null"); }, print);
  BOOST_TEST(good.exit_code == 0);
  BOOST_TEST(good.errors == "");
}

BOOST_AUTO_TEST_CASE(a_result_that_is_lost_is_a_failure_and_a_sentence) {
  const auto full = in_a_process([] { to("/dev/full"); }, print);
  BOOST_TEST(full.exit_code == 1);
  BOOST_TEST(full.errors ==
             "prog: standard output could not be written: No space left on device\n");
  const auto gone = in_a_process(to_nobody, print);
  BOOST_TEST(gone.exit_code == 1);
  BOOST_TEST(gone.errors == "prog: standard output could not be written: Broken pipe\n");
  const auto closed = in_a_process([] { close(STDOUT_FILENO); }, print);
  BOOST_TEST(closed.exit_code == 1);
  BOOST_TEST(closed.errors == "prog: standard output could not be written: Bad file descriptor\n");
}

BOOST_AUTO_TEST_CASE(a_failure_keeps_its_own_exit_code) {
  const auto full = in_a_process([] { to("/dev/full"); },
                                 [] {
                                   print();
                                   return 2;
                                 });
  BOOST_TEST(full.exit_code == 2);
}

BOOST_AUTO_TEST_CASE(company_may_be_forgotten) {
  const auto full = in_a_process([] { to("/dev/full"); },
                                 [] {
                                   print();
                                   std::fflush(stdout);
                                   if (!tools::output_failed()) return 3;
                                   tools::forget_output();
                                   return tools::output_failed() ? 4 : 0;
                                 });
  BOOST_TEST(full.exit_code == 0);
  BOOST_TEST(full.errors == "");
}

BOOST_AUTO_TEST_CASE(no_file_becomes_a_standard_stream) {
  for (const int closed : {STDIN_FILENO, STDOUT_FILENO}) {
    const auto result = in_a_process([closed] { close(closed); },
                                     [] { return open("/dev/null", O_RDONLY) > 2 ? 0 : 5; });
    BOOST_TEST(result.exit_code == 0, closed << result.errors);
  }
  const auto all = in_a_process(
      [] {
        for (int stream = 0; stream <= 2; ++stream)
          close(stream);
      },
      [] { return open("/dev/null", O_RDONLY) > 2 ? 0 : 5; });
  BOOST_TEST(all.exit_code == 0);
}
