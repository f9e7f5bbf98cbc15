#include "tools/processes/child_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace swarm::tools {

namespace {

constexpr int exit_no_program = 127;

/// In the child, between fork and exec: only what is safe there.
[[noreturn]] void become(const char* program, char* const* arguments, int output, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent may have died before.
  if (getppid() != parent) _exit(exit_no_program);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // Ctrl-C at the terminal is the parent's to pass on.
  setpgid(0, 0);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execv(program, arguments);
  static constexpr char complaint[] = "the program cannot be started\n";
  if (write(STDERR_FILENO, complaint, sizeof(complaint) - 1) < 0) _exit(exit_no_program);
  _exit(exit_no_program);
}

child_process::ending ending_of(int status) {
  child_process::ending result;
  if (WIFSIGNALED(status))
    result.signal = WTERMSIG(status);
  else
    result.exit_code = WEXITSTATUS(status);
  return result;
}

}  // namespace

std::variant<child_process, std::string> child_process::start(
    const std::string& program, const std::vector<std::string>& arguments) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::string{"no pipe: "} + std::strerror(errno);
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const auto& a : arguments)
    argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  const auto parent = getpid();
  const auto pid = fork();
  if (pid == 0) become(program.c_str(), argv.data(), ends[1], parent);
  const int why = errno;
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    return std::string{"no process: "} + std::strerror(why);
  }
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return child_process{pid, ends[0]};
}

child_process::child_process(child_process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      output_(std::exchange(other.output_, -1)),
      ending_(other.ending_) {}

child_process& child_process::operator=(child_process&& other) noexcept {
  if (this == &other) return *this;
  end();
  pid_ = std::exchange(other.pid_, -1);
  output_ = std::exchange(other.output_, -1);
  ending_ = other.ending_;
  return *this;
}

child_process::~child_process() {
  end();
}

void child_process::end() {
  if (pid_ > 0 && !ending_) {
    kill(pid_, SIGKILL);
    wait();
  }
  if (output_ >= 0) close(output_);
  pid_ = output_ = -1;
}

void child_process::signal(int number) const {
  if (pid_ > 0 && !ending_) kill(pid_, number);
}

std::optional<child_process::ending> child_process::poll() {
  if (ending_) return ending_;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == pid_) ending_ = ending_of(status);
  return ending_;
}

child_process::ending child_process::wait() {
  if (ending_) return *ending_;
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  ending_ = ending_of(status);
  return *ending_;
}

std::string own_program() {
  char path[4096];
  const auto length = readlink("/proc/self/exe", path, sizeof(path));
  return length > 0 ? std::string(path, static_cast<size_t>(length)) : std::string{};
}

std::string tree_program(const std::string& path) {
  const auto own = own_program();
  std::vector<std::string> places{path, own + ".runfiles/swarm/" + path};
  for (auto at = own.rfind('/'); at != std::string::npos && at != 0; at = own.rfind('/', at - 1))
    places.push_back(own.substr(0, at + 1) + path);
  for (const auto& place : places)
    if (access(place.c_str(), X_OK) == 0) return place;
  return path;
}

}  // namespace swarm::tools
