#include "tools/report/standard_streams.hpp"

#include <fcntl.h>
#include <stdio_ext.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <optional>

#include "tools/report/one_line.hpp"

namespace swarm::tools {

namespace {

/// Why standard output is not whole: an errno, 0 when nobody knows any more.
std::optional<int> flush_output() {
  errno = 0;
  bool good = !std::cout.flush().fail();
  good = std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && good;
  if (!good) return errno;
  // Some file systems tell on closing only, and only once all is closed does nobody write more.
  const int copy = ::dup(STDOUT_FILENO);
  if (copy >= 0 && ::close(copy) != 0) return errno;
  return std::nullopt;
}

}  // namespace

void open_standard_streams() {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    if (::fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest that is free is the one that was asked for.
    const int opened = ::open("/dev/null", stream == STDERR_FILENO ? O_WRONLY : O_RDONLY);
    if (opened > STDERR_FILENO) ::close(opened);
  }
  std::signal(SIGPIPE, SIG_IGN);
  // Beyond a limit of a file's size a write fails, as on a full disk, instead of ending the
  // process.
  std::signal(SIGXFSZ, SIG_IGN);
}

int checked_output(const std::string& program, int exit_code) {
  const auto why = flush_output();
  if (!why) return exit_code;
  forget_output();
  const std::string reason = *why == 0 ? "" : std::string{": "} + std::strerror(*why);
  std::fprintf(stderr, "%s: standard output could not be written%s\n", one_line(program).c_str(),
               reason.c_str());
  return exit_code == 0 ? 1 : exit_code;
}

void forget_output() {
  flush_output();
  // Or it would be tried again at the end of the process.
  ::__fpurge(stdout);
  std::clearerr(stdout);
  std::cout.clear();
}

bool output_failed() {
  return std::ferror(stdout) != 0 || std::cout.fail();
}

}  // namespace swarm::tools
